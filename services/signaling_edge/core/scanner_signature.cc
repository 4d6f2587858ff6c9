#include "services/signaling_edge/core/scanner_signature.h"

#include <algorithm>
#include <string_view>

#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

// In lower case; found anywhere in the value.
constexpr std::string_view kAgents[] = {
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sundayddr",
    "sip-scan",
    "sipscan",
    "vaxsipuseragent",
    "pplsip",
    "siparmyknife",
    "sivus",
    "iwar",
    "smap",
    "sipptk",
    "mr.sip",
    "viproy",
    "bluebox",
    "sip toolkit",
};

bool Contains(std::string_view text, std::string_view lower) {
  return std::search(text.begin(), text.end(), lower.begin(), lower.end(),
                     [](char a, char b) { return ToLower(a) == b; }) !=
         text.end();
}

}  // namespace

bool HasScannerSignature(const SipMessage& request) {
  const std::string_view agent = request.Value(HeaderId::kUserAgent);
  if (!agent.empty()) {
    for (const std::string_view known : kAgents) {
      if (Contains(agent, known)) return true;
    }
  }
  const std::string_view from = request.Value(HeaderId::kFrom);
  return Contains(from.substr(0, from.find('<')), "sipvicious");
}

}  // namespace sallyport::signaling_edge
