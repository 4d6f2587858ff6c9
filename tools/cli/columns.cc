#include "tools/cli/columns.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "google/protobuf/descriptor.h"
#include "tools/cli/field_text.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;

// Plain columns beside the name of a kind without a choice of its own.
constexpr size_t kPlainColumns = 5;

const std::map<std::string, std::vector<Column>>& Chosen() {
  static const auto* const chosen =
      new std::map<std::string, std::vector<Column>>{
          {"Tenant",
           {{"NAME", "name"},
            {"DOMAINS", "domains"},
            {"CLUSTER MODE", "cluster_security_mode"},
            {"DIAL PLAN", "default_dial_plan"}}},
          {"DialPlan",
           {{"NAME", "name"},
            {"SECURITY MODE", "security_mode"},
            {"URI TYPE", "uri_type"},
            {"DIGITS", "number_of_digits_in_extension"},
            {"SUITES", "srtp_suites"},
            {"SEARCH SPACE", "calling_search_space"}}},
          {"Peer",
           {{"NAME", "name"},
            {"KIND", "kind"},
            {"STATUS", "status"},
            {"FQDN", "fqdn"},
            {"ADDRESS", "address"},
            {"PORT", "port"},
            {"TRANSPORT", "transport"},
            {"DIAL PLAN", "dial_plan"},
            {"SUBJECTS", "x509_subject_names"}}},
          {"User",
           {{"NAME", "name"},
            {"USERNAME", "username"},
            {"DOMAIN", "domain"},
            {"ALGORITHM", "digest_algorithm"},
            {"CREDENTIALS", "has_credentials"},
            {"DIAL PLAN", "dial_plan"},
            {"NUMBERS", "phone_numbers"}}},
          {"Phone",
           {{"NAME", "name"},
            {"DEVICE", "device_name"},
            {"PROFILE", "phone_security_profile"},
            {"DIAL PLAN", "dial_plan"},
            {"LINES", "lines"},
            {"USER", "owner_user"}}},
          {"RoutePattern",
           {{"NAME", "name"},
            {"PATTERN", "pattern"},
            {"SIP DOMAIN", "sip_domain"},
            {"PARTITION", "partition"},
            {"DESTINATION", "destination"},
            {"TOLL", "toll_class"},
            {"URGENT", "urgent_priority"}}},
          {"Registration",
           {{"NAME", "name"},
            {"ADDRESS OF RECORD", "address_of_record"},
            {"REMOTE", "remote_address"},
            {"AUTHENTICATION", "authentication"},
            {"PHONE", "phone"},
            {"EXPIRES", "expire_time"}}},
          {"Connection",
           {{"NAME", "name"},
            {"REMOTE", "remote_address"},
            {"PEER", "peer"},
            {"PHONE", "phone"},
            {"IDENTITY", "remote_identity"},
            {"MATCHED", "matched_name"},
            {"TLS", "tls_version"},
            {"CIPHER", "cipher_suite"},
            {"STATE", "state"},
            {"SINCE", "create_time"},
            {"RECEIVED", "bytes_received"},
            {"SENT", "bytes_sent"}}},
          {"Call",
           {{"NAME", "name"},
            {"STATE", "state"},
            {"FROM", "legs.0.party"},
            {"TO", "legs.1.party"},
            {"PATTERN", "matched_pattern"},
            {"MODE A", "legs.0.security_mode"},
            {"MEDIA A", "legs.0.media_protocol"},
            {"SUITE A", "legs.0.srtp_suite"},
            {"MODE B", "legs.1.security_mode"},
            {"MEDIA B", "legs.1.media_protocol"},
            {"SUITE B", "legs.1.srtp_suite"},
            {"SECURE", "secure"},
            {"START", "start_time"},
            {"REASON", "reason"}}},
          {"Refusal",
           {{"TIME", "refuse_time"},
            {"REASON", "reason"},
            {"KIND", "kind"},
            {"REMOTE", "remote_address"},
            {"PEER", "peer"},
            {"PRESENTED", "presented_identities"},
            {"METHOD", "sip_method"},
            {"STATUS", "sip_status"},
            {"ALERT", "tls_alert"},
            {"EXPLANATION", "explanation"}}},
          {"Event",
           {{"TIME", "event_time"},
            {"EVENT", "type"},
            {"REASON", "reason"},
            {"RESOURCE", "resource"},
            {"SUMMARY", "summary"}}},
          {"PeerState",
           {{"PEER", "peer"},
            {"IN SERVICE", "in_service"},
            {"REASON", "reason"},
            {"CALLS", "active_calls"},
            {"DESTINATIONS", "destinations.address"},
            {"SINCE", "change_time"}}},
          {"Session",
           {{"NAME", "name"},
            {"STATE", "state"},
            {"OWNER", "owner"},
            {"A", "leg_a.protocol"},
            {"A PORT", "leg_a.local_rtp_port"},
            {"A RECEIVED", "leg_a.statistics.packets_received"},
            {"A SENT", "leg_a.statistics.packets_sent"},
            {"A LOST", "leg_a.statistics.packets_lost"},
            {"B", "leg_b.protocol"},
            {"B PORT", "leg_b.local_rtp_port"},
            {"B RECEIVED", "leg_b.statistics.packets_received"},
            {"B SENT", "leg_b.statistics.packets_sent"},
            {"B LOST", "leg_b.statistics.packets_lost"},
            {"P99 DELAY", "leg_a.statistics.added_delay_p99"}}},
          {"Allocation",
           {{"NAME", "name"},
            {"KEY", "key_id"},
            {"SUBJECT", "subject"},
            {"CLIENT", "client_address"},
            {"RELAYED", "relayed_address"},
            {"EXPIRES", "expire_time"},
            {"CREDENTIAL ENDS", "credential_expire_time"},
            {"TO PEERS", "packets_to_peers"},
            {"TO CLIENT", "packets_to_client"}}},
          {"Key",
           {{"KEY", "key_id"},
            {"STATE", "state"},
            {"NOT BEFORE", "not_before_time"},
            {"NOT AFTER", "not_after_time"},
            {"VERSION", "version"}}},
          {"Certificate",
           {{"SERIAL", "summary.serial"},
            {"PROFILE", "profile"},
            {"STATE", "state"},
            {"SUBJECT", "summary.subject"},
            {"ISSUER", "summary.issuer"},
            {"NOT AFTER", "summary.not_after_time"},
            {"SHA-1", "summary.sha1_thumbprint"}}},
          {"Enrollment",
           {{"NAME", "name"},
            {"DEVICE", "device_name"},
            {"OPERATION", "operation"},
            {"MODE", "authentication_mode"},
            {"STATUS", "status"},
            {"SERIAL", "lsc.serial"},
            {"COMPLETES BY", "operation_completes_by_time"},
            {"LOCKED", "locked"}}},
          {"TrustStore",
           {{"NAME", "name"},
            {"CERTIFICATES", "certificate_count"},
            {"USED BY", "used_by"},
            {"PURPOSE", "purpose"}}},
          {"TrustedCertificate",
           {{"SUBJECT", "summary.subject"},
            {"SERIAL", "summary.serial"},
            {"NOT AFTER", "summary.not_after_time"},
            {"ORIGIN", "origin"},
            {"SHA-256", "summary.sha256_thumbprint"}}},
      };
  return *chosen;
}

std::string Header(const std::string& field) {
  std::string header = absl::AsciiStrToUpper(field);
  for (char& c : header) {
    if (c == '_') c = ' ';
  }
  return header;
}

}  // namespace

std::vector<Column> ColumnsOf(const ResourceKind& kind) {
  const auto it = Chosen().find(kind.name);
  if (it != Chosen().end()) return it->second;
  std::vector<Column> columns;
  if (kind.message->FindFieldByName("name") != nullptr) {
    columns.push_back({"NAME", "name"});
  }
  for (int i = 0; i < kind.message->field_count(); ++i) {
    const FieldDescriptor& field = *kind.message->field(i);
    const std::string& name = field.name();
    if (columns.size() > kPlainColumns) break;
    if (name == "name" || name == "etag" || name == "description" ||
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
        field.type() == FieldDescriptor::TYPE_BYTES || IsSecretField(field)) {
      continue;
    }
    columns.push_back({Header(name), name});
  }
  return columns;
}

}  // namespace sallyport::cli
