// Any octets as messages in two pieces, as a timeout, as a status message.

#include "services/common/rpc/grpc_framing.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Both cuts give the same messages, which lie in what was read.
  std::string seen[2];
  const size_t cut = size == 0 ? 0 : data[0] % (size + 1);
  for (int way = 0; way < 2; ++way) {
    GrpcMessageReader reader(64);
    const size_t first = way == 0 ? size : cut;
    ByteSpan pieces[] = {ByteSpan(data, first),
                         ByteSpan(data + first, size - first)};
    bool failed = false;
    for (ByteSpan& piece : pieces) {
      while (!failed) {
        const auto message = reader.Read(piece);
        SP_CHECK(reader.partial() <= 64 + 5);
        if (!message.ok()) {
          failed = true;
          seen[way] += "!";
        } else if (message->has_value()) {
          AppendGrpcMessage(**message, seen[way]);
        } else {
          SP_CHECK(piece.empty());
          break;
        }
      }
    }
  }
  SP_CHECK(seen[0] == seen[1]);
  const std::string_view body(seen[0]);
  SP_CHECK(text.substr(0, body.size()) == body || body.back() == '!');

  if (const auto timeout = ParseGrpcTimeout(text)) {
    const auto again = ParseGrpcTimeout(FormatGrpcTimeout(*timeout));
    SP_CHECK(again.has_value() && *again >= *timeout);
  }
  SP_CHECK(PercentDecode(PercentEncode(text)) == text);
  (void)PercentDecode(text);
  SP_CHECK(DecodeBinaryHeader(EncodeBinaryHeader(text)) == text);
  (void)DecodeBinaryHeader(text);
  (void)IsGrpcContentType(text);
  return 0;
}
