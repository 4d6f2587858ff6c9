// What gRPC puts into HTTP/2: its messages, its timeout and its status, as the
// protocol is written down in grpc/doc/PROTOCOL-HTTP2.md. Pure.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_FRAMING_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_FRAMING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {

// Appends Length-Prefixed-Message, uncompressed.
void AppendGrpcMessage(std::string_view message, std::string& out);

// Puts messages together that come in pieces. Compression is not understood,
// and was not offered. Thread-compatible.
class GrpcMessageReader {
 public:
  // Longer messages are refused as soon as their length is known.
  explicit GrpcMessageReader(size_t max_message) : max_message_(max_message) {}

  // Takes octets up to the end of one message and drops them from `data`. Gives
  // the message when it is whole, nullopt when `data` was too little.
  // UNIMPLEMENTED, reason COMPRESSION_NOT_SUPPORTED; INVALID_ARGUMENT, reason
  // MESSAGE_MALFORMED; RESOURCE_EXHAUSTED, reason MESSAGE_TOO_LONG. An error is
  // final.
  absl::StatusOr<std::optional<std::string>> Read(ByteSpan& data);

  // Octets of a message that is not whole yet, prefix included.
  size_t partial() const { return prefix_size_ + body_.size(); }

 private:
  static constexpr size_t kPrefix = 5;

  const size_t max_message_;
  uint8_t prefix_[kPrefix] = {};
  size_t prefix_size_ = 0;
  size_t length_ = 0;
  std::string body_;
};

// "100m" is 100 ms; nullopt for what is no grpc-timeout. 99999999H is the
// longest.
std::optional<absl::Duration> ParseGrpcTimeout(std::string_view text);
// Rounded up, to what eight digits can say.
std::string FormatGrpcTimeout(absl::Duration timeout);

// grpc-message: all but printable ASCII, and '%', become %XX.
std::string PercentEncode(std::string_view text);
// What is no escape stays as it is.
std::string PercentDecode(std::string_view text);

// A value of a header whose name ends in -bin: base64, which is sent without
// padding, and read with or without it.
std::string EncodeBinaryHeader(std::string_view octets);
std::optional<std::string> DecodeBinaryHeader(std::string_view text);

// Whether `content_type` says that protobuf messages are within:
// "application/grpc" or "application/grpc+proto", with or without parameters.
bool IsGrpcContentType(std::string_view content_type);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_FRAMING_H_
