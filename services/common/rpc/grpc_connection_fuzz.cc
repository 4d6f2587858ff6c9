// Any octets behind the preface of HTTP/2, in pieces, and time that passes
// between them.

#include "services/common/rpc/grpc_connection.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

class Owner final : public GrpcCallOwner {
 public:
  absl::StatusOr<Method> OnCall(std::string_view path) override {
    if (path == "/u") return Begin({1, false});
    if (path == "/s") return Begin({2, true});
    return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IMPLEMENTED",
                     "there is none");
  }
  void OnRequest(int32_t call, size_t method, std::string request) override {
    SP_CHECK(method == 1 || method == 2);
    if (!request.empty() && request[0] == 'l') {
      later = call;
    } else if (!request.empty() && request[0] == 'e') {
      connection->Answer(
          call, MakeError(absl::StatusCode::kNotFound, "NOT_THERE", request));
    } else {
      connection->Answer(call, std::move(request));
    }
  }
  void OnEnded(size_t /*method*/, MonoTime /*start*/,
               absl::StatusCode /*code*/) override {
    --open;
    SP_CHECK(open >= 0);
  }

  GrpcConnection* connection = nullptr;
  std::optional<int32_t> later;
  int open = 0;

 private:
  Method Begin(Method method) {
    ++open;
    return method;
  }
};

}  // namespace
}  // namespace sallyport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;  // NOLINT(google-build-using-namespace)
  Owner owner;
  MonoTime now;
  GrpcConnection::Options options;
  options.max_held = 4096;
  options.max_unsent = 4096;
  {
    GrpcConnection connection(owner, options, now);
    owner.connection = &connection;
    absl::Status status =
        connection.Feed(AsBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), now);
    ByteSpan rest(data, size);
    while (status.ok() && !rest.empty()) {
      // The length of a piece, and what happens behind it.
      const uint8_t control = rest[0];
      rest.remove_prefix(1);
      const size_t piece = std::min<size_t>(rest.size(), 4 * (control & 0x3f));
      status = connection.Feed(rest.subspan(0, piece), now);
      rest.remove_prefix(piece);
      while (status.ok() && connection.RunOne(now)) {
      }
      if ((control & 0x40) != 0 && owner.later.has_value()) {
        connection.Answer(*owner.later, std::string("at last"));
        owner.later.reset();
      }
      if ((control & 0x80) != 0) {
        (void)connection.TakeOutput(4096);
      } else {
        now += absl::Seconds(1);
        if (status.ok() && connection.deadline() <= now) {
          status = connection.OnDeadline(now);
        }
      }
    }
    if (size % 2 == 1) connection.Drain();
    (void)connection.TakeOutput(size_t{1} << 20);
    SP_CHECK(connection.open_calls() <= options.max_streams);
  }
  SP_CHECK(owner.open == 0);
  return 0;
}
