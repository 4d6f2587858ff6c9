// Any text: refused, or printed and read back the same and equivalent.

#include "services/signaling_edge/core/sip_uri.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = ::sallyport::signaling_edge;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto uri = edge::ParseSipUri(text);
  if (!uri.ok()) return 0;
  const std::string printed = uri->ToString();
  const auto again = edge::ParseSipUri(printed);
  Check(again.ok());
  Check(again->ToString() == printed);
  Check(again->user == uri->user && again->host == uri->host);
  Check(again->port == uri->port && again->params == uri->params);
  Check(edge::Equivalent(*uri, *uri));
  Check(edge::Equivalent(*uri, *again));
  Check(edge::Equivalent(*again, *uri));
  uri->DecodedUser();
  return 0;
}
