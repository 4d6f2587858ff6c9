#include "services/dialplan/rpc/resource_shape.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/dialplan/rpc/resource_kind.h"
#include "services/dialplan/rpc/string_rules.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMaxRepeated = 1000;

// Walks over all fields of a message. Thread-compatible.
class ShapeChecker {
 public:
  PlanFaults Take() { return std::move(faults_); }

  void Add(std::string field, std::string_view reason,
           std::string description) {
    faults_.push_back(
        {std::move(field), std::string(reason), std::move(description)});
  }

  void Walk(const Message& message, const std::string& path) {
    std::vector<const FieldDescriptor*> fields;
    const auto* reflection = message.GetReflection();
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const std::string at = path + "." + field->name();
      if (!field->is_repeated()) {
        WalkValue(message, *field, at, -1);
        continue;
      }
      const int size = reflection->FieldSize(message, field);
      if (size > kMaxRepeated) {
        Add(at, "LIST_TOO_LONG",
            absl::StrCat("holds more than ", kMaxRepeated, " items"));
        continue;
      }
      for (int i = 0; i < size; ++i) {
        WalkValue(message, *field, absl::StrCat(at, "[", i, "]"), i);
      }
    }
  }

  void Duration(const std::string& field, absl::Duration value,
                absl::Duration low, absl::Duration high) {
    if (value == absl::ZeroDuration() || (value >= low && value <= high)) {
      return;
    }
    Add(field, "VALUE_OUT_OF_RANGE",
        absl::StrCat("must be ", absl::FormatDuration(low), " to ",
                     absl::FormatDuration(high), ", or zero"));
  }

 private:
  // `index` is -1 for a singular field.
  void WalkValue(const Message& message, const FieldDescriptor& field,
                 const std::string& at, int index) {
    const auto* reflection = message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        CheckString(index < 0
                        ? reflection->GetString(message, &field)
                        : reflection->GetRepeatedString(message, &field, index),
                    field, at, index >= 0);
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int value = index < 0 ? reflection->GetEnumValue(message, &field)
                                    : reflection->GetRepeatedEnumValue(
                                          message, &field, index);
        if (field.enum_type()->FindValueByNumber(value) == nullptr) {
          Add(at, "VALUE_UNKNOWN", "this version does not know the value");
        }
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Walk(index < 0 ? reflection->GetMessage(message, &field)
                       : reflection->GetRepeatedMessage(message, &field, index),
             at);
        break;
      default:
        break;
    }
  }

  void CheckString(const std::string& text, const FieldDescriptor& field,
                   const std::string& at, bool repeated) {
    const StringRule* rule = StringRuleOf(field);
    if (rule == nullptr) return;  // the name, which the method checks
    if (text.size() > rule->max) {
      Add(at, "VALUE_TOO_LONG",
          absl::StrCat("longer than ", rule->max, " octets"));
    }
    if (repeated && text.empty()) {
      Add(at, "VALUE_REQUIRED", "an item of a list cannot be empty");
    }
    const size_t bad = FirstForbidden(text, rule->charset);
    if (bad != std::string::npos) {
      Add(at, "VALUE_INVALID",
          absl::StrCat("octet ", bad + 1, ": may hold ",
                       AbslView(DescribeCharset(rule->charset))));
    }
  }

  PlanFaults faults_;
};

void CheckPortGroup(const pb::VoicemailPortGroup& group, ShapeChecker& out) {
  if (group.integration() == pb::VOICEMAIL_INTEGRATION_UNSPECIFIED) {
    out.Add("voicemail_port_group.integration", "VALUE_REQUIRED",
            "say how the server is connected");
  }
  for (int i = 0; i < group.servers_size(); ++i) {
    if (group.servers(i).role() == pb::VOICEMAIL_SERVER_ROLE_UNSPECIFIED) {
      out.Add(absl::StrCat("voicemail_port_group.servers[", i, "].role"),
              "VALUE_REQUIRED", "say what the server is");
    }
  }
}

void CheckTenant(const pb::Tenant& tenant, ShapeChecker& out) {
  if (tenant.domains_size() > 100) {
    out.Add("tenant.domains", "LIST_TOO_LONG", "holds more than 100 items");
  }
}

void CheckDialPlan(const pb::DialPlan& plan, ShapeChecker& out) {
  for (int i = 0; i < plan.srtp_suites_size(); ++i) {
    const std::string at = absl::StrCat("dial_plan.srtp_suites[", i, "]");
    if (plan.srtp_suites(i) == type::SRTP_SUITE_UNSPECIFIED) {
      out.Add(at, "VALUE_REQUIRED", "name a suite");
    }
    for (int j = 0; j < i; ++j) {
      if (plan.srtp_suites(i) == plan.srtp_suites(j)) {
        out.Add(at, "DUPLICATE_VALUE", "it is given twice");
        break;
      }
    }
  }
  if (plan.srtp_keying() == pb::SRTP_KEYING_DTLS) {
    if (plan.security_mode() != type::SECURITY_MODE_SECURED) {
      out.Add("dial_plan.srtp_keying", "VALUE_CONFLICT",
              "DTLS-SRTP is for plans of security mode SECURED");
    }
    for (int i = 0; i < plan.srtp_suites_size(); ++i) {
      if (plan.srtp_suites(i) != type::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80) {
        continue;
      }
      out.Add(absl::StrCat("dial_plan.srtp_suites[", i, "]"), "VALUE_CONFLICT",
              "DTLS-SRTP has no profile for this suite");
    }
  }
  out.Duration("dial_plan.interdigit_timeout",
               FromProto(plan.interdigit_timeout()), absl::Seconds(3),
               absl::Seconds(75));
  out.Duration("dial_plan.media_silence_timeout",
               FromProto(plan.media_silence_timeout()), absl::Seconds(1),
               absl::Hours(1));
  out.Duration("dial_plan.max_call_duration",
               FromProto(plan.max_call_duration()), absl::Seconds(1),
               absl::Hours(24 * 7));
}

// protocols.md section 8
void CheckSubjects(
    const std::string& kind,
    const google::protobuf::RepeatedPtrField<std::string>& subjects,
    ShapeChecker& out) {
  size_t octets = 0;
  for (const std::string& subject : subjects) octets += subject.size() + 1;
  if (octets > 4096) {
    out.Add(kind + ".x509_subject_names", "VALUE_TOO_LONG",
            "together longer than 4096 octets");
  }
}

void CheckMonitoring(const std::string& kind,
                     const pb::OptionsMonitoring& monitoring,
                     ShapeChecker& out) {
  const std::string path = kind + ".options_monitoring.";
  out.Duration(path + "interval", FromProto(monitoring.interval()),
               absl::Seconds(5), absl::Seconds(600));
  out.Duration(path + "out_of_service_interval",
               FromProto(monitoring.out_of_service_interval()),
               absl::Seconds(5), absl::Seconds(600));
  out.Duration(path + "retry_interval", FromProto(monitoring.retry_interval()),
               absl::Milliseconds(100), absl::Seconds(60));
  if (monitoring.retries() > 20) {
    out.Add(path + "retries", "VALUE_OUT_OF_RANGE", "must be 0 to 20");
  }
}

void CheckPeer(const pb::Peer& peer, ShapeChecker& out) {
  if (peer.kind() == pb::PEER_KIND_UNSPECIFIED) {
    out.Add("peer.kind", "VALUE_REQUIRED", "say what the peer is");
  }
  if (peer.transport() == type::TRANSPORT_DTLS) {
    out.Add("peer.transport", "VALUE_INVALID", "SIP runs over UDP, TCP or TLS");
  }
  CheckSubjects("peer", peer.x509_subject_names(), out);
  CheckMonitoring("peer", peer.options_monitoring(), out);
}

void CheckUser(const pb::User& user, ShapeChecker& out) {
  if (!user.password().empty() && user.password().size() < 8) {
    out.Add("user.password", "PASSWORD_TOO_SHORT", "8 to 128 characters");
  }
  if (!user.password().empty() && !user.ha1().empty()) {
    out.Add("user.ha1", "VALUE_CONFLICT", "give a password or its hash");
  }
  const bool md5 = user.digest_algorithm() == type::DIGEST_ALGORITHM_MD5;
  const size_t digits = md5 ? 32 : 64;
  if (!user.ha1().empty() && user.ha1().size() != digits) {
    out.Add("user.ha1", "VALUE_INVALID",
            absl::StrCat("must be ", digits,
                         " lower-case hex digits under this algorithm"));
  }
  if (user.realm().find('"') != std::string::npos ||
      user.realm().find('\\') != std::string::npos) {
    out.Add("user.realm", "VALUE_INVALID",
            "a quotation mark or backslash cannot be quoted in a challenge");
  }
}

void CheckLine(const pb::Line& line, ShapeChecker& out) {
  out.Duration("line.no_answer_duration", FromProto(line.no_answer_duration()),
               absl::Seconds(1), absl::Seconds(300));
}

void CheckLineGroup(const pb::LineGroup& group, ShapeChecker& out) {
  out.Duration("line_group.ring_no_answer_reversion",
               FromProto(group.ring_no_answer_reversion()), absl::Seconds(1),
               absl::Seconds(300));
}

void CheckHuntPilot(const pb::HuntPilot& pilot, ShapeChecker& out) {
  out.Duration("hunt_pilot.maximum_hunt_time",
               FromProto(pilot.maximum_hunt_time()), absl::Seconds(1),
               absl::Hours(1));
  out.Duration("hunt_pilot.queue.max_wait", FromProto(pilot.queue().max_wait()),
               absl::Seconds(1), absl::Hours(1));
  if (pilot.queue().max_callers() > 10'000) {
    out.Add("hunt_pilot.queue.max_callers", "VALUE_OUT_OF_RANGE",
            "is not 1 to 10000");
  }
}

void CheckRestriction(const pb::DiallingRestriction& restriction,
                      ShapeChecker& out) {
  for (int i = 0; i < restriction.allowed_toll_classes_size(); ++i) {
    if (restriction.allowed_toll_classes(i) == pb::TOLL_CLASS_UNSPECIFIED) {
      out.Add(
          absl::StrCat("dialling_restriction.allowed_toll_classes[", i, "]"),
          "VALUE_REQUIRED", "name a toll class");
    }
  }
  for (int i = 0; i < restriction.toll_limits_size(); ++i) {
    const pb::TollLimit& limit = restriction.toll_limits(i);
    const std::string path =
        absl::StrCat("dialling_restriction.toll_limits[", i, "]");
    if (limit.toll_classes().empty()) {
      out.Add(path + ".toll_classes", "VALUE_REQUIRED", "name a toll class");
    }
    for (int k = 0; k < limit.toll_classes_size(); ++k) {
      if (limit.toll_classes(k) == pb::TOLL_CLASS_UNSPECIFIED) {
        out.Add(absl::StrCat(path, ".toll_classes[", k, "]"), "VALUE_REQUIRED",
                "name a toll class");
      }
    }
    if (limit.calls_per_caller() == 0 && limit.calls_per_tenant() == 0 &&
        limit.calls_per_minute_per_caller() == 0 &&
        limit.calls_per_minute_per_tenant() == 0) {
      out.Add(path, "VALUE_REQUIRED", "it limits nothing");
    }
  }
}

}  // namespace

PlanFaults CheckShape(const pb::Resource& resource) {
  ShapeChecker out;
  const auto* set = resource.GetReflection()->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  out.Walk(InnerOf(resource), set->name());
  switch (resource.kind_case()) {
    case pb::Resource::kTenant:
      CheckTenant(resource.tenant(), out);
      break;
    case pb::Resource::kDialPlan:
      CheckDialPlan(resource.dial_plan(), out);
      break;
    case pb::Resource::kPeer:
      CheckPeer(resource.peer(), out);
      break;
    case pb::Resource::kUser:
      CheckUser(resource.user(), out);
      break;
    case pb::Resource::kTrunkSecurityProfile:
      CheckSubjects("trunk_security_profile",
                    resource.trunk_security_profile().x509_subject_names(),
                    out);
      break;
    case pb::Resource::kSipProfile:
      CheckMonitoring("sip_profile",
                      resource.sip_profile().options_monitoring(), out);
      break;
    case pb::Resource::kServerGroup:
      CheckMonitoring("server_group",
                      resource.server_group().options_monitoring(), out);
      break;
    case pb::Resource::kLine:
      CheckLine(resource.line(), out);
      break;
    case pb::Resource::kLineGroup:
      CheckLineGroup(resource.line_group(), out);
      break;
    case pb::Resource::kHuntPilot:
      CheckHuntPilot(resource.hunt_pilot(), out);
      break;
    case pb::Resource::kVoicemailPortGroup:
      CheckPortGroup(resource.voicemail_port_group(), out);
      break;
    case pb::Resource::kMessageWaitingNumber:
      if (resource.message_waiting_number().indicator() ==
          pb::MESSAGE_WAITING_INDICATOR_UNSPECIFIED) {
        out.Add("message_waiting_number.indicator", "VALUE_REQUIRED",
                "say what it does to the lamp");
      }
      break;
    case pb::Resource::kDiallingRestriction:
      CheckRestriction(resource.dialling_restriction(), out);
      break;
    default:
      break;
  }
  return out.Take();
}

bool IsResourceId(std::string_view id) {
  if (id.empty() || id.size() > 63 || id[0] == '-' || id[0] == '_') {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace sallyport::dialplan
