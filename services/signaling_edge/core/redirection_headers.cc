#include "services/signaling_edge/core/redirection_headers.h"

#include <algorithm>
#include <utility>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxInbound = 5;

// RFC 5806 section 4.
std::string_view DiversionReason(ForwardReason reason) {
  switch (reason) {
    case ForwardReason::kNone:
      break;
    case ForwardReason::kAll:
      return "unconditional";
    case ForwardReason::kBusy:
      return "user-busy";
    case ForwardReason::kNoAnswer:
      return "no-answer";
    case ForwardReason::kUnregistered:
      return "unavailable";
  }
  return "unknown";
}

// RFC 4458 section 4: the "cause" of a URI.
int CauseOf(ForwardReason reason) {
  switch (reason) {
    case ForwardReason::kNone:
    case ForwardReason::kAll:
      break;
    case ForwardReason::kBusy:
      return 486;
    case ForwardReason::kNoAnswer:
      return 408;
    case ForwardReason::kUnregistered:
      return 404;
  }
  return 302;
}

std::string UriOf(std::string_view number, std::string_view domain) {
  return Cat("sip:", PercentEncode(number, "+*#"), "@", domain);
}

}  // namespace

std::vector<std::string> DiversionsOf(const Resolution& resolution,
                                      std::string_view domain) {
  std::vector<Redirection> all = resolution.redirections;
  if (all.empty()) return {};
  if (!resolution.mailbox.empty()) {
    Redirection& named = resolution.mailbox_of_last ? all.back() : all.front();
    named.number = resolution.mailbox;
  }
  if (all.size() > 2) all.erase(all.begin() + 1, all.end() - 1);
  std::vector<std::string> out;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    out.push_back(Cat("<", UriOf(it->number, domain),
                      ">;reason=", DiversionReason(it->reason), ";counter=1"));
  }
  return out;
}

std::vector<std::string> HistoryOf(const Resolution& resolution,
                                   std::string_view domain,
                                   std::string_view target) {
  const std::vector<Redirection>& all = resolution.redirections;
  if (all.empty()) return {};
  std::vector<std::string> out;
  std::string index = "1";
  for (size_t i = 0; i < all.size(); ++i) {
    std::string entry =
        Cat("<", UriOf(all[i].number, domain), "?Reason=SIP%3Bcause%3D",
            CauseOf(all[i].reason), ">;index=", index);
    // RFC 7044 section 10.3: it was mapped to another user.
    if (i > 0) {
      CatTo(entry, ";mp=", std::string_view(index).substr(0, index.size() - 2));
    }
    out.push_back(std::move(entry));
    index += ".1";
  }
  out.push_back(
      Cat("<", target, ";cause=", CauseOf(all.back().reason), ">;index=", index,
          ";mp=", std::string_view(index).substr(0, index.size() - 2)));
  return out;
}

std::vector<std::string> DiversionsIn(const SipMessage& invite) {
  std::vector<std::string> out;
  for (const std::string_view item : invite.Items(HeaderId::kDiversion)) {
    const auto value = ParseNameAddr(item);
    if (!value.ok() || !ParseSipUri(value->uri).ok()) continue;
    out.emplace_back(item);
    if (out.size() == kMaxInbound) break;
  }
  return out;
}

}  // namespace sallyport::signaling_edge
