# Seeds Redmine for the journeys: REST on, the tracker Incident, the project "network" with the issue field AlertKey
# (used as a filter, or a search by it finds everything; put on the project, so that it tells the number), and the user "middleware" as what INTEGRATION
# asks for. Prints the user's API key. Doing it twice changes nothing.
ActiveRecord::Base.connection.execute('PRAGMA journal_mode=WAL')
Setting.rest_api_enabled = '1'
# Nobody is told by mail.
Setting.notified_events = []
User.find_by_login('admin').update_columns(must_change_passwd: false)

tracker = Tracker.find_by_name('Incident') || Tracker.new(name: 'Incident', default_status: IssueStatus.find_by_name('New'))
if tracker.new_record?
  tracker.save!
  tracker.copy_workflow_rules(Tracker.find_by_name('Bug'))
end
project = Project.find_by_identifier('network') ||
          Project.create!(name: 'Network', identifier: 'network', trackers: [tracker], enabled_module_names: %w[issue_tracking])
%w[AlertSource AlertKey].each do |name|
  IssueCustomField.find_by_name(name) ||
    IssueCustomField.create!(name: name, field_format: 'string', is_filter: true, tracker_ids: Tracker.pluck(:id), projects: [project])
end
user = User.find_by_login('middleware')
unless user
  user = User.new(firstname: 'Alert', lastname: 'Middleware', mail: 'middleware@journeys.invalid', language: 'en')
  user.login = 'middleware'
  user.password = user.password_confirmation = 'mw-Passw0rd'
  user.save!
end
Member.create!(project: project, principal: user, roles: [Role.find_by_name('Manager')]) unless Member.where(project_id: project.id, user_id: user.id).exists?
puts "token=#{user.api_key}"
