#!/usr/bin/perl -w
# Seeds Znuny for the journeys, in one process (each call of its console compiles all of it again): no mail, no looks at DNS, the
# queue "Network", the agent "middleware", the customer user "noc", and what an administrator imports: the field and the web
# service of deploy/znuny, whose folder is the argument.
use strict;
use lib '/usr/share/otrs', '/usr/share/otrs/Kernel/cpan-lib', '/usr/share/otrs/Custom';
use Kernel::System::ObjectManager;
local $Kernel::OM = Kernel::System::ObjectManager->new('Kernel::System::Log' => { LogPrefix => 'journeys' });
sub object { $Kernel::OM->Get("Kernel::System::$_[0]") }
sub yaml {
    my $text = object('Main')->FileRead(Location => "$ARGV[0]/$_[0]") or die "$_[0] cannot be read\n";
    return object('YAML')->Load(Data => ${$text}) || die "$_[0] is not YAML\n";
}
my %settings = (
    CheckEmailAddresses => 0,
    CheckMXRecord       => 0,
    SendmailModule      => 'Kernel::System::Email::DoNotSendEmail',
);
object('SysConfig')->SettingsSet(
    UserID   => 1,
    Comments => 'journeys',
    Settings => [ map { { Name => $_, EffectiveValue => $settings{$_}, IsValid => 1 } } sort keys %settings ],
) or die "the settings cannot be set\n";
$Kernel::OM->Get('Kernel::Config')->Set(Key => $_, Value => $settings{$_}) for keys %settings;
my @valid = (ValidID => 1, UserID => 1);
my $group = object('Group')->GroupLookup(Group => 'users') or die "there is no group users\n";
object('Queue')->QueueAdd(
    Name => 'Network', GroupID => $group, SystemAddressID => 1, SalutationID => 1, SignatureID => 1, @valid,
) or die "no queue\n";
my $agent = object('User')->UserAdd(
    UserFirstname => 'Alert', UserLastname => 'Middleware', UserLogin => 'middleware', UserPw => 'mw-Passw0rd',
    UserEmail => 'middleware@journeys.invalid', ChangeUserID => 1, ValidID => 1,
) or die "no agent\n";
object('Group')->PermissionGroupUserAdd(GID => $group, UID => $agent, Permission => { rw => 1 }, UserID => 1)
    or die "no rights\n";
object('CustomerUser')->CustomerUserAdd(
    Source => 'CustomerUser', UserFirstname => 'N', UserLastname => 'OC', UserCustomerID => 'noc', UserLogin => 'noc',
    UserPassword => 'x', UserEmail => 'noc@journeys.invalid', @valid,
) or die "no customer user\n";
object('ZnunyHelper')->_DynamicFieldsCreateIfNotExists(values %{ yaml('dynamic-field.yml')->{DynamicFields} })
    or die "no field\n";
object('GenericInterface::Webservice')->WebserviceAdd(Name => 'kentongan', Config => yaml('kentongan.yml'), @valid)
    or die "no web service\n";
