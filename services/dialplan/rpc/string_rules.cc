#include "services/dialplan/rpc/string_rules.h"

#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::dialplan {
namespace {

// Longest resource name: a tenant's and another id of 63 octets each, and the
// longest collection.
constexpr size_t kMaxName = 255;
constexpr size_t kMaxNumber = 48;
constexpr size_t kMaxHost = 253;

constexpr StringRule kRules[] = {
    {"display_name", 64, Charset::kText},
    {"description", 255, Charset::kLines},
    {"etag", 64, Charset::kToken},
    // Names of other resources.
    {"called_party_transformation_search_space", kMaxName, Charset::kReference},
    {"calling_party_transformation_search_space", kMaxName,
     Charset::kReference},
    {"calling_search_space", kMaxName, Charset::kReference},
    {"default_dial_plan", kMaxName, Charset::kReference},
    {"dial_plan", kMaxName, Charset::kReference},
    {"dialling_restriction", kMaxName, Charset::kReference},
    {"digest_user", kMaxName, Charset::kReference},
    {"hunt_list", kMaxName, Charset::kReference},
    {"line", kMaxName, Charset::kReference},
    {"line_group", kMaxName, Charset::kReference},
    {"line_groups", kMaxName, Charset::kReference},
    {"lines", kMaxName, Charset::kReference},
    {"out_of_dialog_refer_calling_search_space", kMaxName, Charset::kReference},
    {"owner_user", kMaxName, Charset::kReference},
    {"partition", kMaxName, Charset::kReference},
    {"partitions", kMaxName, Charset::kReference},
    {"peer", kMaxName, Charset::kReference},
    {"peers", kMaxName, Charset::kReference},
    {"phone_security_profile", kMaxName, Charset::kReference},
    {"phone_system", kMaxName, Charset::kReference},
    {"rerouting_calling_search_space", kMaxName, Charset::kReference},
    {"route_list", kMaxName, Charset::kReference},
    {"server_group", kMaxName, Charset::kReference},
    {"sip_certificate", kMaxName, Charset::kReference},
    {"sip_profile", kMaxName, Charset::kReference},
    {"trunk_security_profile", kMaxName, Charset::kReference},
    {"users", kMaxName, Charset::kReference},
    {"voicemail_pilot", kMaxName, Charset::kReference},
    {"voicemail_profile", kMaxName, Charset::kReference},
    // Tenants and dial plans.
    {"domains", kMaxHost, Charset::kToken},
    {"login_banner", 2048, Charset::kLines},
    {"country_or_region_code", 4, Charset::kDigits},
    {"access_telephone_numbers", 32, Charset::kDialable},
    {"outside_line_access_code", 16, Charset::kDialable},
    {"international_access_code", 16, Charset::kDialable},
    {"national_number_prefix", 16, Charset::kDialable},
    {"in_country_or_region_number_format", kMaxNumber, Charset::kToken},
    {"international_number_format", kMaxNumber, Charset::kToken},
    {"associated_edges", 63, Charset::kToken},
    {"rtm_edges", 63, Charset::kToken},
    {"music_on_hold", 64, Charset::kPrompt},
    {"prompt", 64, Charset::kPrompt},
    // Peers and their like.
    {"fqdn", kMaxHost, Charset::kToken},
    {"address", 45, Charset::kToken},
    {"source_addresses", 49, Charset::kToken},
    {"x509_subject_names", 255, Charset::kToken},
    {"vendor", 64, Charset::kText},
    {"model", 64, Charset::kText},
    {"trust_store", 64, Charset::kToken},
    {"ciphers", 64, Charset::kToken},
    {"restart_mark", 64, Charset::kText},
    {"subject_name", 255, Charset::kToken},
    {"host", kMaxHost, Charset::kToken},
    // Users, phones and lines.
    {"username", 64, Charset::kToken},
    {"domain", kMaxHost, Charset::kToken},
    {"realm", 255, Charset::kText},
    {"password", 128, Charset::kText},
    {"ha1", 64, Charset::kHex},
    {"phone_numbers", kMaxNumber, Charset::kToken},
    {"device_name", 128, Charset::kToken},
    {"device_name_prefix", 128, Charset::kToken},
    {"sip_certificate_subject", 255, Charset::kToken},
    {"phone_type", 64, Charset::kText},
    {"directory_number", kMaxNumber + 1, Charset::kToken},
    {"external_phone_number_mask", kMaxNumber, Charset::kToken},
    {"caller_display_name", 64, Charset::kText},
    // Patterns and numbers.
    {"pattern", 64, Charset::kToken},
    {"number_mask", 64, Charset::kToken},
    {"numbering_plan", 32, Charset::kToken},
    {"sip_domain", kMaxHost + 1, Charset::kToken},
    {"transform_mask", kMaxNumber, Charset::kToken},
    {"prefix_digits", kMaxNumber, Charset::kToken},
    {"mailbox_mask", kMaxNumber, Charset::kToken},
    {"number", kMaxNumber, Charset::kToken},
    {"message_waiting_on_number", kMaxNumber, Charset::kDialable},
    {"message_waiting_off_number", kMaxNumber, Charset::kDialable},
    {"group", 32, Charset::kText},
    {"comment", 255, Charset::kText},
};

bool IsIn(char c, size_t at, Charset charset) {
  const auto u = static_cast<unsigned char>(c);
  switch (charset) {
    case Charset::kText:
      return u >= 0x20 && u != 0x7f;
    case Charset::kLines:
      return (u >= 0x20 && u != 0x7f) || c == '\n';
    case Charset::kToken:
      return u > 0x20 && u < 0x7f;
    case Charset::kReference:
      return absl::ascii_isalnum(u) || c == '/' || c == '-' || c == '_';
    case Charset::kDigits:
      return absl::ascii_isdigit(u);
    case Charset::kDialable:
      return absl::ascii_isdigit(u) || c == '*' || c == '#' ||
             (c >= 'A' && c <= 'D') || (c == '+' && at == 0);
    case Charset::kPrompt:
      return absl::ascii_isdigit(u) || absl::ascii_islower(u) || c == '-' ||
             c == '_';
    case Charset::kHex:
      return absl::ascii_isdigit(u) || (c >= 'a' && c <= 'f');
  }
  return false;
}

}  // namespace

const StringRule* StringRuleOf(const google::protobuf::FieldDescriptor& field) {
  const std::string full =
      absl::StrCat(field.containing_type()->name(), ".", field.name());
  const StringRule* found = nullptr;
  for (const StringRule& rule : kRules) {
    if (rule.field == full) return &rule;
    if (rule.field == field.name()) found = &rule;
  }
  return found;
}

size_t FirstForbidden(std::string_view text, Charset charset) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsIn(text[i], i, charset)) return i;
    // U+0080 to U+009F are control characters too: C2 80 to C2 9F in UTF-8.
    if (text[i] == '\xc2' && i + 1 < text.size() &&
        static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string_view DescribeCharset(Charset charset) {
  switch (charset) {
    case Charset::kText:
      return "no control characters";
    case Charset::kLines:
      return "no control characters but line feeds";
    case Charset::kToken:
      return "only visible ASCII characters";
    case Charset::kReference:
      return "only letters, digits, '/', '-' and '_'";
    case Charset::kDigits:
      return "only digits";
    case Charset::kDialable:
      return "only 0-9, *, #, A-D and a leading +";
    case Charset::kHex:
      return "only lower-case hex digits";
    case Charset::kPrompt:
      return "only lower-case letters, digits, '-' and '_'";
  }
  return "";
}

}  // namespace sallyport::dialplan
