#include "tools/cli/refusal_text.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "tools/cli/field_text.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;

// Labels of what may be known, in the order of a reader's questions.
constexpr std::pair<const char*, const char*> kLines[] = {
    {"why", "explanation"},
    {"from", "remote_address"},
    {"peer", "peer"},
    {"subject", "subject"},
    {"dial plan", "dial_plan"},
    {"call", "call"},
    {"certificate", "remote_certificate.subject"},
    {"issuer", "remote_certificate.issuer"},
    {"presented", "presented_identities"},
    {"expected", "expected_identities"},
    {"alert", "tls_alert"},
    {"alert from", "tls_alert_source"},
    {"edge", "edge"},
};

void AddWord(std::string& line, const std::string& word) {
  if (!word.empty() && word != "0") absl::StrAppend(&line, "  ", word);
}

}  // namespace

std::string RefusalText(const Message& refusal) {
  const auto text = [&](const char* path) {
    return Printable(FieldText(refusal, path));
  };
  std::string out = text("refuse_time");
  for (const char* word : {"reason", "kind", "sip_method", "sip_status"}) {
    AddWord(out, text(word));
  }
  out += "\n";
  for (const auto& [label, path] : kLines) {
    const std::string value = text(path);
    if (!value.empty()) absl::StrAppend(&out, "  ", label, ": ", value, "\n");
  }
  const auto* const field = refusal.GetDescriptor()->FindFieldByName("steps");
  const auto* const reflection = refusal.GetReflection();
  for (int i = 0; i < reflection->FieldSize(refusal, field); ++i) {
    absl::StrAppend(&out, "  ", i + 1, ". ",
                    Printable(reflection->GetRepeatedString(refusal, field, i)),
                    "\n");
  }
  return out + "\n";
}

}  // namespace sallyport::cli
