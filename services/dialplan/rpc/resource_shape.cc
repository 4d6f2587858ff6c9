#include "services/dialplan/rpc/resource_shape.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/dialplan/rpc/resource_kind.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMaxString = 255;
constexpr int kMaxRepeated = 1000;

// Strings whose bound is another one, and those that may hold several lines.
size_t MaxLength(const FieldDescriptor& field) {
  const std::string& name = field.name();
  if (name == "display_name") return 64;
  if (name == "login_banner") return 2048;
  if (name == "password") return 128;
  if (name == "pattern") return 64;
  if (name == "access_telephone_numbers") return 32;
  if (name == "associated_edges") return 63;
  return kMaxString;
}

bool MayHoldLines(const FieldDescriptor& field) {
  return field.name() == "login_banner" || field.name() == "description";
}

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
    const size_t max = MaxLength(field);
    if (text.size() > max) {
      Add(at, "VALUE_TOO_LONG", absl::StrCat("longer than ", max, " octets"));
    }
    if (repeated && text.empty()) {
      Add(at, "VALUE_REQUIRED", "an item of a list cannot be empty");
    }
    for (const char c : text) {
      const auto u = static_cast<unsigned char>(c);
      if (c == '\n' && MayHoldLines(field)) continue;
      if (u < 0x20 || u == 0x7f) {
        Add(at, "VALUE_INVALID", "holds a control character");
        return;
      }
    }
  }

  PlanFaults faults_;
};

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

void CheckTenant(const pb::Tenant& tenant, ShapeChecker& out) {
  if (tenant.domains_size() > 100) {
    out.Add("tenant.domains", "LIST_TOO_LONG", "holds more than 100 items");
  }
}

void CheckDialPlan(const pb::DialPlan& plan, ShapeChecker& out) {
  if (plan.country_or_region_code().size() > 4 ||
      !AllDigits(plan.country_or_region_code())) {
    out.Add("dial_plan.country_or_region_code", "VALUE_INVALID",
            "must be 1 to 4 digits");
  }
  for (int i = 0; i < plan.access_telephone_numbers_size(); ++i) {
    std::string_view number = plan.access_telephone_numbers(i);
    if (!number.empty() && number[0] == '+') number.remove_prefix(1);
    if (!AllDigits(number)) {
      out.Add(absl::StrCat("dial_plan.access_telephone_numbers[", i, "]"),
              "NUMBER_INVALID", "must be digits");
    }
  }
  out.Duration("dial_plan.interdigit_timeout",
               FromProto(plan.interdigit_timeout()), absl::Seconds(3),
               absl::Seconds(75));
  out.Duration("dial_plan.max_call_duration",
               FromProto(plan.max_call_duration()), absl::Seconds(1),
               absl::Hours(24 * 7));
}

void CheckPeer(const pb::Peer& peer, ShapeChecker& out) {
  if (peer.kind() == pb::PEER_KIND_UNSPECIFIED) {
    out.Add("peer.kind", "VALUE_REQUIRED", "say what the peer is");
  }
  if (peer.transport() == type::TRANSPORT_DTLS) {
    out.Add("peer.transport", "VALUE_INVALID", "SIP runs over UDP, TCP or TLS");
  }
  size_t subjects = 0;
  for (const std::string& subject : peer.x509_subject_names()) {
    subjects += subject.size() + 1;
  }
  if (subjects > 4096) {
    // protocols.md section 8
    out.Add("peer.x509_subject_names", "VALUE_TOO_LONG",
            "together longer than 4096 octets");
  }
  const auto& monitoring = peer.options_monitoring();
  out.Duration("peer.options_monitoring.interval",
               FromProto(monitoring.interval()), absl::Seconds(5),
               absl::Seconds(600));
  out.Duration("peer.options_monitoring.out_of_service_interval",
               FromProto(monitoring.out_of_service_interval()),
               absl::Seconds(5), absl::Seconds(600));
}

void CheckUser(const pb::User& user, ShapeChecker& out) {
  if (!user.password().empty() && user.password().size() < 8) {
    out.Add("user.password", "PASSWORD_TOO_SHORT", "8 to 128 characters");
  }
  if (!user.password().empty() && !user.ha1().empty()) {
    out.Add("user.ha1", "VALUE_CONFLICT", "give a password or its hash");
  }
  const bool md5 = user.digest_algorithm() == type::DIGEST_ALGORITHM_MD5;
  if (!user.ha1().empty()) {
    const bool hex =
        std::all_of(user.ha1().begin(), user.ha1().end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        });
    if (!hex || user.ha1().size() != (md5 ? 32u : 64u)) {
      out.Add("user.ha1", "VALUE_INVALID",
              absl::StrCat("must be ", md5 ? 32 : 64,
                           " lower-case hex digits under this algorithm"));
    }
  }
  if (user.realm().find('"') != std::string::npos ||
      user.realm().find('\\') != std::string::npos) {
    out.Add("user.realm", "VALUE_INVALID",
            "a quotation mark or backslash cannot be quoted in a challenge");
  }
}

void CheckRoutePattern(const pb::RoutePattern& pattern, ShapeChecker& out) {
  constexpr std::string_view kReason = "FIELD_NOT_SUPPORTED";
  if (!pattern.sip_domain().empty()) {
    out.Add("route_pattern.sip_domain", kReason,
            "this version routes digits and its own domains only");
  }
  if (pattern.calling_party().use_external_phone_number_mask()) {
    out.Add("route_pattern.calling_party.use_external_phone_number_mask",
            kReason, "this version has no lines, which hold the mask");
  }
  if (pattern.calling_party().restrict_presentation()) {
    out.Add("route_pattern.calling_party.restrict_presentation", kReason,
            "this version cannot withhold the calling number");
  }
  if (pattern.called_party().discard_digits() >= pb::DISCARD_DIGITS_PRE_AT) {
    out.Add("route_pattern.called_party.discard_digits", "PATTERN_HAS_NO_AT",
            "the instruction needs '@' in the pattern");
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
    case pb::Resource::kRoutePattern:
      CheckRoutePattern(resource.route_pattern(), out);
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
