// How long each string of the API may be, and of what characters.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_STRING_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_STRING_RULES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"

namespace sallyport::dialplan {

// What may stand in a string. What its text must mean besides is for the rules
// of the plan, which say it better.
enum class Charset {
  kText,       // anything but control characters: for people
  kLines,      // that, and line feeds
  kToken,      // visible ASCII
  kReference,  // a-z A-Z 0-9 / - _ : names of resources
  kDigits,     // 0-9
  kDialable,   // 0-9 * # A-D, and + first
  kHex,        // 0-9 a-f
  kPrompt,     // a-z 0-9 - _
};

struct StringRule {
  std::string_view field;  // "pattern", or "Phone.model" where that differs
  size_t max;              // octets
  Charset charset;
};

// The rule of a field; null if it has none, which a test forbids for all
// fields of all kinds but `name`, which is not written.
const StringRule* StringRuleOf(const google::protobuf::FieldDescriptor& field);

// The first character of `text` that its rule forbids, or npos.
size_t FirstForbidden(std::string_view text, Charset charset);

// "visible ASCII characters", for an operator.
std::string_view DescribeCharset(Charset charset);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_STRING_RULES_H_
