#!/usr/bin/perl -w
# Seeds Request Tracker for the journeys: the queue Network, the ticket field AlertKey (REST2 cannot put a field on
# queues, so a script must), the user "middleware" with the rights that INTEGRATION asks for. Prints a REST2 token.
use strict;
use lib '/usr/share/request-tracker5/lib';
use RT -init;

my $system = RT->SystemUser;

my $queue = RT::Queue->new($system);
$queue->Load('Network');
$queue->Create(Name => 'Network', Description => 'Network faults') unless $queue->Id;
$queue->Load('Network');
die 'no queue' unless $queue->Id;

for my $name (qw(AlertKey AlertSource)) {
    my $field = RT::CustomField->new($system);
    $field->LoadByCols(Name => $name, LookupType => 'RT::Queue-RT::Ticket');
    next if $field->Id;
    my ($id, $why) = $field->Create(Name => $name, Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', MaxValues => 1);
    die $why unless $id;
    # An empty queue stands for all queues.
    my ($ok, $why_not) = $field->AddToObject(RT::Queue->new($system));
    die $why_not unless $ok;
}

my $user = RT::User->new($system);
$user->Load('middleware');
unless ($user->Id) {
    my ($id, $why) = $user->Create(Name => 'middleware', EmailAddress => 'middleware@journeys.invalid', Password => 'mw-Passw0rd', Privileged => 1);
    die $why unless $id;
    $user->Load($id);
    $user->PrincipalObj->GrantRight(Right => $_, Object => $queue)
        for qw(SeeQueue CreateTicket ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket ModifyTicket OwnTicket SeeCustomField ModifyCustomField SetInitialCustomField);
    $user->PrincipalObj->GrantRight(Right => $_, Object => RT->System) for qw(ManageAuthTokens ModifySelf);
}

my $token = RT::AuthToken->new(RT::CurrentUser->new($user));
my ($id, $why, $secret) = $token->Create(Owner => $user->Id, Description => 'journeys');
die $why unless $id;
print "$secret\n";
