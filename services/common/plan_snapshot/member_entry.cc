#include "services/common/plan_snapshot/member_entry.h"

#include <string>

#include "absl/strings/ascii.h"
#include "sallyport/type/v1/digest_algorithm.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/plan_snapshot/proto_values.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;

OptionsMonitoring MonitoringOf(const pb::OptionsMonitoring& in) {
  return {in.enabled(), FromProto(in.interval()),
          FromProto(in.out_of_service_interval()),
          FromProto(in.retry_interval()), in.retries()};
}

TlsVersion VersionOf(pb::TlsContextVersion version) {
  // One of a later release must not lower what holds here.
  return version > pb::TLS_CONTEXT_VERSION_1_3
             ? TlsVersion::kTls13
             : static_cast<TlsVersion>(version);
}

TlsContextSettings TlsSettingsOf(const pb::TlsContextSettings& in) {
  TlsContextSettings out;
  out.peers = Strings(in.peers());
  out.trust_store = in.trust_store();
  out.tls.ciphers = Strings(in.ciphers());
  out.tls.minimum_version = VersionOf(in.minimum_version());
  out.tls.maximum_version = VersionOf(in.maximum_version());
  return out;
}

}  // namespace

TenantEntry Entry(const pb::Tenant& in) {
  TenantEntry out;
  out.name = in.name();
  for (const std::string& domain : in.domains()) {
    out.domains.push_back(HostText(domain));
  }
  out.default_dial_plan = in.default_dial_plan();
  out.rtm_profile = in.compatibility_profile() == pb::COMPATIBILITY_PROFILE_RTM;
  out.cluster_security_mode =
      EnumOf(in.cluster_security_mode(), ClusterSecurityMode::kMixed,
             ClusterSecurityMode::kNonSecure);
  out.login_banner = in.login_banner();
  out.voicemail_encryption_disabled =
      in.voicemail_encryption() == pb::VOICEMAIL_ENCRYPTION_DISABLED;
  out.rtm_edges = Strings(in.rtm_edges());
  const pb::TenantLimits& limits = in.limits();
  out.limits = {limits.max_calls(),         limits.max_calls_per_second(),
                limits.max_registrations(), limits.max_allocations(),
                limits.max_peers(),         limits.max_patterns()};
  return out;
}

DialPlanEntry Entry(const pb::DialPlan& in) {
  DialPlanEntry out;
  out.name = in.name();
  // A mode that a later version knows must not open a leg here.
  out.security_mode = EnumOf(in.security_mode(), SecurityMode::kSecured,
                             SecurityMode::kSecured);
  out.uri_type = EnumOf(in.uri_type(), UriType::kSipName, UriType::kTelExtn);
  out.extension_digits =
      static_cast<uint32_t>(in.number_of_digits_in_extension());
  out.calling_search_space = in.calling_search_space();
  out.edges = Strings(in.associated_edges());
  out.country_code = in.country_or_region_code();
  out.access_numbers = Strings(in.access_telephone_numbers());
  out.outside_line_access_code = in.outside_line_access_code();
  out.international_access_code = in.international_access_code();
  out.national_prefix = in.national_number_prefix();
  out.national_format = in.in_country_or_region_number_format();
  out.international_format = in.international_number_format();
  out.media_mode =
      EnumOf(in.media_mode(), MediaMode::kPassThrough, MediaMode::kAnchored);
  for (const int suite : in.srtp_suites()) {
    // One of a later version is none that could be offered.
    if (suite < 1 || suite > type::v1::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80)
      continue;
    out.srtp_suites.push_back(static_cast<PlanSrtpSuite>(suite - 1));
  }
  // One of a later version must not make keys travel in SDP.
  out.srtp_keying =
      EnumOf(in.srtp_keying(), SrtpKeying::kDtls, SrtpKeying::kDtls);
  out.ice = in.ice();
  out.music_on_hold = in.music_on_hold();
  out.dialling_restriction = in.dialling_restriction();
  out.max_call_duration = FromProto(in.max_call_duration());
  out.media_silence_timeout = FromProto(in.media_silence_timeout());
  out.interdigit_timeout = FromProto(in.interdigit_timeout());
  return out;
}

PeerEntry Entry(const pb::Peer& in) {
  PeerEntry out;
  out.name = in.name();
  out.dial_plan = in.dial_plan();
  out.kind = EnumOf(in.kind(), PeerKind::kVoicemail, PeerKind::kIpGateway);
  out.fqdn = HostText(in.fqdn());
  out.address = absl::AsciiStrToLower(in.address());
  out.port = in.port();
  out.transport = TransportOf(in.transport());
  out.x509_subjects = SubjectTexts(in.x509_subject_names());
  out.incoming_port = in.incoming_port();
  out.source_addresses = Strings(in.source_addresses());
  out.digest_user = in.digest_user();
  out.status =
      EnumOf(in.status(), PeerStatus::kNoNewCalls, PeerStatus::kDisabled);
  out.outcalls_allowed = in.outcalls_allowed();
  out.calling_search_space = in.calling_search_space();
  out.max_calls = in.max_calls();
  out.trunk_security_profile = in.trunk_security_profile();
  out.server_group = in.server_group();
  out.own_monitoring = in.has_options_monitoring();
  out.monitoring = MonitoringOf(in.options_monitoring());
  out.sip_profile = in.sip_profile();
  out.ipsec = EnumOf(in.ipsec_capability(), IpsecCapability::kSupported,
                     IpsecCapability::kUnsupported);
  out.ipsec_enabled = in.ipsec_enabled();
  out.hardening = {in.hardening().strong_authentication(),
                   in.hardening().strong_administrator_password(),
                   in.hardening().administration_over_tls(),
                   in.hardening().ssh_not_telnet()};
  const pb::NetworkLink& link = in.network_link();
  // Nothing hangs on these but what is shown, so a later value is not said.
  if (link.scenario() <= pb::LINK_SCENARIO_REMOTE_INTERNET) {
    out.network_link.scenario = static_cast<LinkScenario>(link.scenario());
  }
  out.network_link.ipsec_at_peer = link.ipsec_at_peer();
  if (link.network_encryption() <= pb::NETWORK_ENCRYPTION_COVERED) {
    out.network_link.network_encryption =
        static_cast<NetworkEncryption>(link.network_encryption());
  }
  const pb::CertificateChecklist& list = in.certificate_checklist();
  out.certificate_checklist = {
      list.request_created(),   list.request_copied(),
      list.certificate_saved(), list.certificate_imported(),
      list.root_downloaded(),   list.root_imported()};
  out.vendor = in.vendor();
  out.model = in.model();
  out.rerouting_search_space = in.rerouting_calling_search_space();
  out.outside_refer_search_space =
      in.out_of_dialog_refer_calling_search_space();
  out.address_family = EnumOf(in.address_family(), AddressFamily::kAny,
                              AddressFamily::kIpv4Only);
  out.diversion_inbound = in.redirecting_diversion_inbound();
  out.diversion_outbound = in.redirecting_diversion_outbound();
  out.message_waiting_allowed = in.message_waiting_indicator_allowed();
  out.called_transformation_space =
      in.called_party_transformation_search_space();
  out.calling_transformation_space =
      in.calling_party_transformation_search_space();
  out.trust_store = in.trust_store();
  return out;
}

TrunkSecurityProfileEntry Entry(const pb::TrunkSecurityProfile& in) {
  TrunkSecurityProfileEntry out;
  out.name = in.name();
  out.device_security_mode = DeviceModeOf(in.device_security_mode());
  for (const int transport : in.incoming_transports()) {
    out.incoming_transports.push_back(
        TransportOf(static_cast<type::v1::Transport>(transport)));
  }
  out.outgoing_transport = TransportOf(in.outgoing_transport());
  out.digest = in.enable_digest_authentication();
  out.nonce_validity = FromProto(in.nonce_validity());
  out.x509_subjects = SubjectTexts(in.x509_subject_names());
  out.incoming_port = in.incoming_port();
  out.application_level_authorization =
      in.enable_application_level_authorization();
  out.accept_presence_subscription = in.accept_presence_subscription();
  out.accept_out_of_dialog_refer = in.accept_out_of_dialog_refer();
  out.accept_unsolicited_notification = in.accept_unsolicited_notification();
  out.accept_replaces = in.accept_replaces_header();
  out.transmit_security_status = in.transmit_security_status();
  out.allow_charging_header = in.allow_charging_header();
  out.v150_filtering =
      EnumOf(in.sip_v150_outbound_sdp_offer_filtering(),
             V150Filtering::kRemovePreMer, V150Filtering::kUseDefault);
  return out;
}

SipProfileEntry Entry(const pb::SipProfile& in) {
  SipProfileEntry out;
  out.name = in.name();
  out.monitoring = MonitoringOf(in.options_monitoring());
  out.settings.session_expires = FromProto(in.session_expires());
  out.settings.min_session_expires = FromProto(in.min_session_expires());
  out.settings.early_offer =
      EnumOf(in.early_offer(), EarlyOffer::kMandatory, EarlyOffer::kAsCaller);
  out.settings.rel1xx = EnumOf(in.rel1xx(), Rel1xx::kAlways, Rel1xx::kEndToEnd);
  out.settings.long_requests =
      EnumOf(in.long_requests(), LongRequestsBy::kUdp, LongRequestsBy::kTcp);
  return out;
}

TlsContextEntry Entry(const pb::TlsContext& in) {
  return {in.name(), TlsSettingsOf(in.configured()),
          TlsSettingsOf(in.active())};
}

ServerGroupEntry Entry(const pb::ServerGroup& in) {
  ServerGroupEntry out;
  out.name = in.name();
  for (const pb::ServerGroupMember& member : in.members()) {
    out.members.push_back({HostText(member.host()), member.port(),
                           member.secure_port(), member.priority(),
                           member.weight(), member.disabled()});
  }
  out.monitoring = MonitoringOf(in.options_monitoring());
  return out;
}

UserEntry Entry(const pb::User& in) {
  UserEntry out;
  out.name = in.name();
  out.username = in.username();
  out.domain = HostText(in.domain());
  out.realm = in.realm();
  out.dial_plan = in.dial_plan();
  out.calling_search_space = in.calling_search_space();
  out.phone_numbers = Strings(in.phone_numbers());
  if (in.digest_algorithm() == type::v1::DIGEST_ALGORITHM_MD5) {
    out.digest_algorithm = DigestAlgorithm::kMd5;
    out.ha1_md5 = in.ha1();
  } else {
    out.ha1_sha256 = in.ha1();
  }
  out.disabled = in.disabled();
  out.allow_without_certificate = in.allow_without_certificate();
  out.max_contacts = in.max_contacts();
  out.bulk_registration = in.bulk_registration();
  out.accept_out_of_dialog_refer = in.accept_out_of_dialog_refer();
  out.accept_unsolicited_notification = in.accept_unsolicited_notification();
  out.accept_replaces = in.accept_replaces_header();
  out.dialling_restriction = in.dialling_restriction();
  return out;
}

PhoneEntry Entry(const pb::Phone& in) {
  PhoneEntry out;
  out.name = in.name();
  out.device_name = in.device_name();
  out.dial_plan = in.dial_plan();
  out.calling_search_space = in.calling_search_space();
  out.owner_user = in.owner_user();
  out.disabled = in.disabled();
  out.phone_security_profile = in.phone_security_profile();
  out.lines = Strings(in.lines());
  out.model = in.model();
  return out;
}

PhoneSecurityProfileEntry Entry(const pb::PhoneSecurityProfile& in) {
  PhoneSecurityProfileEntry out;
  out.name = in.name();
  out.phone_type = in.phone_type();
  out.protocol =
      EnumOf(in.protocol(), PhoneProtocol::kSccp, PhoneProtocol::kSip);
  out.device_security_mode = DeviceModeOf(in.device_security_mode());
  out.transport = TransportOf(in.transport());
  out.sip_phone_port = in.sip_phone_port();
  out.tftp_encrypted_config = in.tftp_encrypted_config();
  out.digest = in.enable_digest_authentication();
  out.nonce_validity = FromProto(in.nonce_validity());
  out.exclude_digest_credentials = in.exclude_digest_credentials();
  out.authentication_mode = EnumOf(
      in.authentication_mode(), CapfAuthenticationMode::kExistingCertificateMic,
      CapfAuthenticationMode::kAuthenticationString);
  out.key_order = EnumOf(in.key_order(), CapfKeyOrder::kEcPreferredRsaBackup,
                         CapfKeyOrder::kEcPreferredRsaBackup,
                         CapfKeyOrder::kEcPreferredRsaBackup);
  out.rsa_key_size = in.rsa_key_size();
  out.ec_key_size = in.ec_key_size();
  out.allow_digest_without_certificate = in.allow_digest_without_certificate();
  return out;
}

LineEntry Entry(const pb::Line& in) {
  LineEntry out;
  out.name = in.name();
  out.directory_number = in.directory_number();
  out.partition = in.partition();
  out.calling_search_space = in.calling_search_space();
  out.voicemail_profile = in.voicemail_profile();
  out.external_phone_number_mask = in.external_phone_number_mask();
  out.forward_all = ForwardOf(in.forward_all());
  out.forward_busy = ForwardOf(in.forward_busy());
  out.forward_no_answer = ForwardOf(in.forward_no_answer());
  out.forward_unregistered = ForwardOf(in.forward_unregistered());
  out.no_answer_duration = FromProto(in.no_answer_duration());
  out.max_calls = in.max_calls();
  out.busy_trigger = in.busy_trigger();
  out.caller_display_name = in.caller_display_name();
  out.users = Strings(in.users());
  return out;
}

}  // namespace sallyport
