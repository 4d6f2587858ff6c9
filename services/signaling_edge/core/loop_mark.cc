#include "services/signaling_edge/core/loop_mark.h"

#include <algorithm>
#include <tuple>

#include "absl/hash/hash.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// More Vias than any way that is none of ours.
constexpr size_t kMaxVias = 70;
// A longer loop ends by Max-Forwards.
constexpr size_t kMaxMarks = 8;
constexpr size_t kMarkSize = 9;

std::string UserAt(std::string_view text) {
  const auto uri = ParseSipUri(text);
  if (!uri.ok()) return std::string(text);
  std::string out = Cat(uri->DecodedUser(), "@");
  for (const char c : uri->host) out.push_back(ToLower(c));
  return out;
}

bool IsOurs(const Via& via, const std::vector<EdgeListener>& listeners) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&](const EdgeListener& listener) {
                       std::string_view host = via.host;
                       if (host.starts_with('[') && host.size() > 2) {
                         host = host.substr(1, host.size() - 2);
                       }
                       return via.sent_by_port() == listener.port &&
                              EqualsIgnoreCase(host, listener.host);
                     });
}

// "." and 8 hexadecimal digits.
std::string MarkOf(const SipMessage& invite, std::string_view resource,
                   uint64_t key) {
  const auto from = ParseNameAddr(invite.Value(HeaderId::kFrom));
  std::string turns;
  for (const HeaderId id : {HeaderId::kDiversion, HeaderId::kHistoryInfo}) {
    CatTo(turns, invite.Items(id).size(), ",");
  }
  const uint64_t hash =
      absl::Hash<std::tuple<uint64_t, std::string, std::string,
                            absl::string_view, std::string>>{}(
          {key, UserAt(invite.request_uri()),
           from.ok() ? UserAt(from->uri) : std::string(), AbslView(resource),
           turns});
  return Cat(".", HexOf(hash).substr(0, kMarkSize - 1));
}

// Those of the last turn that the INVITE took through us.
std::string_view MarksIn(const SipMessage& invite,
                         const std::vector<EdgeListener>& listeners) {
  size_t seen = 0;
  for (const std::string_view value : invite.Items(HeaderId::kVia)) {
    if (++seen > kMaxVias) break;
    const auto via = ParseVia(value);
    if (!via.ok() || !IsOurs(*via, listeners)) continue;
    const size_t dot = via->branch().find('.');
    if (dot == std::string_view::npos) continue;
    const std::string_view marks = via->branch().substr(dot);
    return marks.substr(0, kMaxMarks * kMarkSize);
  }
  return {};
}

}  // namespace

absl::StatusOr<std::string> LoopMarks(
    const SipMessage& invite, std::string_view resource, uint64_t key,
    const std::vector<EdgeListener>& listeners) {
  const std::string mark = MarkOf(invite, resource, key);
  std::string_view before = MarksIn(invite, listeners);
  if (before.find(mark) != std::string_view::npos) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "LOOP_DETECTED",
                     "it came back as it had been sent on");
  }
  if (before.size() >= kMaxMarks * kMarkSize) before.remove_prefix(kMarkSize);
  return Cat(before, mark);
}

}  // namespace sallyport::signaling_edge
