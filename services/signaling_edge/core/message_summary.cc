#include "services/signaling_edge/core/message_summary.h"

#include <optional>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxBody = 4096;

// "2/8".
bool ParsePair(std::string_view text, uint32_t& first, uint32_t& second) {
  const std::vector<std::string_view> parts = Split(text, '/');
  if (parts.size() != 2) return false;
  const auto a = ParseUint(parts[0], 0xFFFFFFFF);
  const auto b = ParseUint(parts[1], 0xFFFFFFFF);
  if (!a.has_value() || !b.has_value()) return false;
  first = *a;
  second = *b;
  return true;
}

}  // namespace

absl::StatusOr<MessageSummary> ParseMessageSummary(std::string_view body) {
  MessageSummary out;
  bool said = false;
  if (body.size() > kMaxBody) body = {};
  for (std::string_view line : Split(body, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::vector<std::string_view> name = Words(line.substr(0, colon));
    const std::vector<std::string_view> value = Words(line.substr(colon + 1));
    if (name.size() != 1 || value.empty()) continue;
    if (EqualsIgnoreCase(name[0], "Messages-Waiting")) {
      out.waiting = EqualsIgnoreCase(value[0], "yes");
      said = out.waiting || EqualsIgnoreCase(value[0], "no");
    } else if (EqualsIgnoreCase(name[0], "Voice-Message") &&
               ParsePair(value[0], out.fresh, out.old)) {
      out.counted = true;
      std::string_view urgent = value.size() > 1 ? value[1] : "";
      if (urgent.starts_with('(') && urgent.ends_with(')')) {
        ParsePair(urgent.substr(1, urgent.size() - 2), out.urgent_fresh,
                  out.urgent_old);
      }
    }
  }
  if (!said) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "BODY_TYPE_UNSUPPORTED",
                     "it does not say whether messages are waiting");
  }
  return out;
}

std::string WriteMessageSummary(const MessageSummary& summary,
                                std::string_view account) {
  std::string out = Cat("Messages-Waiting: ", summary.waiting ? "yes" : "no",
                        "\r\nMessage-Account: ", account, "\r\n");
  if (summary.counted) {
    CatTo(out, "Voice-Message: ", summary.fresh, "/", summary.old, " (",
          summary.urgent_fresh, "/", summary.urgent_old, ")\r\n");
  }
  return out;
}

}  // namespace sallyport::signaling_edge
