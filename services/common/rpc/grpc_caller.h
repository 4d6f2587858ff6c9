// The client's half of an HTTP/2 connection that carries gRPC calls: of
// GrpcLoopClient, of load programs, whose own time must not count, and of
// tests, which have to do what a library would not.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_CALLER_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_CALLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/rpc/grpc_framing.h"

struct nghttp2_session;

namespace sallyport {

// Reason of UNAVAILABLE where the server has surely not begun the call
// (RFC 9113 section 8.7).
inline constexpr std::string_view kCallRefused = "CALL_REFUSED";

// What a connection tells. Called from within Feed and TakeOutput.
class GrpcCallerOwner {
 public:
  virtual ~GrpcCallerOwner() = default;
  virtual void OnAnswer(int32_t call, std::string answer) = 0;
  // The call is over. FromGrpc() of what the server said; UNAVAILABLE with the
  // reason CALL_RESET, CALL_REFUSED or HTTP_STATUS if it was not gRPC that it
  // said.
  virtual void OnStatus(int32_t call, const absl::Status& status) = 0;
};

// Sans-IO like GrpcConnection. Thread-compatible.
class GrpcCaller {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // `owner` outlives it.
  explicit GrpcCaller(GrpcCallerOwner& owner);
  ~GrpcCaller();
  GrpcCaller(const GrpcCaller&) = delete;
  GrpcCaller& operator=(const GrpcCaller&) = delete;

  // Begins a call; `more` comes after the usual headers. 0 when the connection
  // takes no more, as it was told to go or has used up its stream ids.
  int32_t Start(std::string_view path, const Headers& more = {});
  // The same with exactly these headers.
  int32_t StartWith(const Headers& headers);
  // One more request; `last`: no other follows.
  void Send(int32_t call, std::string_view request, bool last);
  // Octets in place of messages.
  void SendRaw(int32_t call, std::string_view octets, bool last);
  void Reset(int32_t call);
  void Ping();

  absl::Status Feed(ByteSpan data);
  std::string TakeOutput();
  // No further calls are taken.
  bool told_to_go() const { return told_to_go_; }
  int pings_answered() const { return pings_answered_; }

 private:
  struct Call {
    int32_t id = 0;
    std::string out;
    size_t out_sent = 0;
    bool last = false;
    bool deferred = false;
    GrpcMessageReader reader{size_t{64} << 20};
    std::string http_status;
    std::string code;
    std::string message;
    std::string details;
  };
  struct Callbacks;

  Call* Find(int32_t id);
  absl::Status StatusOf(const Call& call, uint32_t error) const;

  GrpcCallerOwner& owner_;
  nghttp2_session* session_ = nullptr;
  absl::flat_hash_map<int32_t, std::unique_ptr<Call>> calls_;
  bool told_to_go_ = false;
  int pings_answered_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_CALLER_H_
