// One stream cut in two ways gives the same messages; and what the parser
// takes of a frame is the whole frame: both read Content-Length alike.

#include "services/signaling_edge/core/sip_framer.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "services/signaling_edge/core/sip_parser.h"

namespace {

namespace edge = ::sallyport::signaling_edge;

void Check(bool holds) {
  if (!holds) std::abort();
}

struct Result {
  std::vector<std::string> messages;
  bool failed = false;
};

// The first octet of the input says how many octets come at once.
Result Frame(std::string_view stream, size_t step) {
  edge::ParsePolicy policy;
  policy.max_header_bytes = 4096;
  edge::SipFramer framer(policy);
  Result result;
  while (!stream.empty()) {
    framer.Append(stream.substr(0, step));
    stream.remove_prefix(stream.size() < step ? stream.size() : step);
    for (;;) {
      const auto frame = framer.Next();
      if (!frame.ok()) {
        result.failed = true;
        return result;
      }
      if (!frame->has_value()) break;
      if ((*frame)->kind == edge::SipFrame::Kind::kMessage) {
        result.messages.emplace_back((*frame)->text);
      }
    }
    Check(framer.pending().size() <= policy.max_message() + step);
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  const Result whole = Frame(stream, stream.size() + 1);
  const Result pieces = Frame(stream, size_t{data[0]} + 1);
  Check(whole.messages == pieces.messages);
  Check(whole.failed == pieces.failed);
  for (const std::string& text : whole.messages) {
    const auto message = edge::ParseSipMessage(text, {});
    if (!message.ok()) continue;
    const std::string_view body = message->body();
    Check(std::string_view(text).substr(text.size() - body.size()) == body);
    Check(text.substr(text.size() - body.size() - 4, 4) == "\r\n\r\n");
  }
  return 0;
}
