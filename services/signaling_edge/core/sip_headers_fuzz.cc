// One header field value, read as each kind: what is taken is printed and read
// back the same. The first octet chooses the kind.

#include "services/signaling_edge/core/sip_headers.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace edge = ::sallyport::signaling_edge;

void Check(bool holds) {
  if (!holds) std::abort();
}

void FuzzVia(std::string_view text) {
  const auto via = edge::ParseVia(text);
  if (!via.ok()) return;
  const std::string printed = via->ToString();
  const auto again = edge::ParseVia(printed);
  Check(again.ok() && again->ToString() == printed);
  Check(again->branch() == via->branch() && again->host == via->host);
  Check(again->sent_by_port() == via->sent_by_port());
}

void FuzzNameAddr(std::string_view text) {
  const auto addr = edge::ParseNameAddr(text);
  if (!addr.ok()) return;
  const std::string printed = addr->ToString();
  const auto again = edge::ParseNameAddr(printed);
  Check(again.ok() && again->ToString() == printed);
  Check(again->tag() == addr->tag() && again->uri == addr->uri);
  Check(again->DisplayName() == addr->DisplayName());
}

void FuzzCseq(std::string_view text) {
  const auto cseq = edge::ParseCseq(text);
  if (!cseq.ok()) return;
  Check(cseq->number <= 0x7fffffff);
  const std::string printed = cseq->ToString();
  const auto again = edge::ParseCseq(printed);
  Check(again.ok() && again->number == cseq->number);
  Check(again->method_text == cseq->method_text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  switch (data[0]) {
    case 'v':
      FuzzVia(text);
      break;
    case 'n':
      FuzzNameAddr(text);
      break;
    case 'c':
      FuzzCseq(text);
      break;
    case 'r':
      if (edge::ParseRack(text).ok()) Check(!text.empty());
      break;
    case 'a': {
      const auto auth = edge::ParseAuthValue(text);
      if (!auth.ok()) break;
      Check(!auth->parameters.empty());
      for (const auto& parameter : auth->parameters) {
        Check(auth->Get(parameter.name).has_value());
      }
      break;
    }
    default: {
      const auto value = edge::ParseValueWithParams(text);
      if (value.ok()) Check(!value->value.empty());
      edge::ParseLeadingSeconds(text);
      edge::ListHasToken(text, "timer");
      break;
    }
  }
  return 0;
}
