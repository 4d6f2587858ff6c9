// Any octets: the parser refuses them, or what it took is written and read
// back the same, with every field that others would act upon.

#include "services/signaling_edge/core/sip_parser.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "services/signaling_edge/core/sip_writer.h"

namespace {

using ::sallyport::signaling_edge::HeaderId;
using ::sallyport::signaling_edge::ParsePolicy;
using ::sallyport::signaling_edge::ParseSipMessage;
using ::sallyport::signaling_edge::SipMessage;
using ::sallyport::signaling_edge::WriteSipMessage;

void Check(bool holds) {
  if (!holds) std::abort();
}

// Equal but for Content-Length, which the writer moves to the end.
void CheckSame(const SipMessage& a, const SipMessage& b) {
  Check(a.is_request() == b.is_request());
  Check(a.method_text() == b.method_text());
  Check(a.request_uri() == b.request_uri());
  Check(a.status_code() == b.status_code());
  Check(a.reason_phrase() == b.reason_phrase());
  Check(a.body() == b.body());
  size_t j = 0;
  for (size_t i = 0; i < a.header_count(); ++i) {
    if (a.header(i).id == HeaderId::kContentLength) continue;
    Check(j < b.header_count());
    Check(a.header(i).id == b.header(j).id);
    Check(a.header(i).name == b.header(j).name);
    Check(a.header(i).value == b.header(j).value);
    ++j;
  }
  Check(j + 1 == b.header_count());
  Check(b.Value(HeaderId::kContentLength) == std::to_string(b.body().size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ParsePolicy policy;
  const auto message = ParseSipMessage(text, policy);
  if (!message.ok()) {
    const auto salvaged =
        ::sallyport::signaling_edge::SalvageRequest(text, policy);
    if (salvaged.ok()) Check(salvaged->is_request());
    return 0;
  }
  // Long names and one more field may pass a cap that the short ones did not.
  policy.max_header_line *= 4;
  policy.max_header_bytes *= 4;
  policy.max_headers += 1;
  const std::string wire = WriteSipMessage(*message);
  const auto again = ParseSipMessage(wire, policy);
  Check(again.ok());
  CheckSame(*message, *again);
  Check(WriteSipMessage(*again) == wire);
  return 0;
}
