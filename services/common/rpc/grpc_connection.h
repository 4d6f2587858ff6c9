// One HTTP/2 connection that carries gRPC calls to us: octets in, octets out,
// no socket, no clock, no thread. HTTP/2 (RFC 9113) is libnghttp2's; what gRPC
// makes of it is here and in grpc_framing.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_GRPC_CONNECTION_H_
#define SALLYPORT_SERVICES_COMMON_RPC_GRPC_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/rpc/grpc_framing.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"

struct nghttp2_session;

namespace sallyport {

// What a connection asks of its owner. Called from within Feed, RunOne,
// TakeOutput and the destructor only.
class GrpcCallOwner {
 public:
  struct Method {
    size_t index = 0;      // the owner's own, given back to it
    bool streams = false;  // any number of requests, each with one answer
  };

  virtual ~GrpcCallOwner() = default;

  // A call begins. An error is its end.
  virtual absl::StatusOr<Method> OnCall(std::string_view path) = 0;
  // A request of a call that OnCall took, whole. The next of the same call
  // comes when this one is answered, by Answer(), within this or later.
  virtual void OnRequest(int32_t call, size_t method, std::string request) = 0;
  // A call that OnCall took is over; `code` is what its caller was told, or
  // CANCELLED if the caller went away.
  virtual void OnEnded(size_t method, MonoTime start,
                       absl::StatusCode code) = 0;
};

// The server's half. Feed what came, RunOne until false, send what TakeOutput
// gives, and look at deadline(). What one connection can make us hold is
// bounded by Options, whatever its peer does: max_held of requests, max_unsent
// and one answer of answers, max_streams calls, and in libnghttp2 what one Feed
// can cause. Thread-compatible.
class GrpcConnection {
 public:
  struct Options {
    uint32_t max_streams = 1000;
    // RFC 9113 section 6.5.2, of one call.
    size_t max_header_list = 16 << 10;
    size_t max_request = 256 << 10;
    size_t max_answer = 4 << 20;
    // Of all requests that are not handed out yet, in part or whole, with what
    // it takes to keep them.
    size_t max_held = 4 << 20;
    // While more than this waits for the peer, no further request is handed
    // out.
    size_t max_unsent = 512 << 10;
    // The longest that a unary call may take; its caller can set less.
    absl::Duration longest_call = absl::Seconds(10);
    // A silent peer is asked after `keepalive`, and is gone when it does not
    // answer for `keepalive_timeout`.
    absl::Duration keepalive = absl::Seconds(20);
    absl::Duration keepalive_timeout = absl::Seconds(10);
    // Calls that end in an error of HTTP/2, their caller's reset included
    // (CVE-2023-44487, CVE-2025-8671).
    GcraLimit resets = GcraLimit::PerSecond(100, 1000);
    // Frames that carry nothing and make work: PING, SETTINGS, PRIORITY, empty
    // DATA (CVE-2019-9512, 9513, 9515, 9518).
    GcraLimit idle_frames = GcraLimit::PerSecond(200, 1000);
  };

  // `owner` outlives the connection.
  GrpcConnection(GrpcCallOwner& owner, const Options& options, MonoTime now);
  // Ends what is open.
  ~GrpcConnection();
  GrpcConnection(const GrpcConnection&) = delete;
  GrpcConnection& operator=(const GrpcConnection&) = delete;

  // Octets of the peer. After an error, which has the reason HTTP2_FLOOD or
  // HTTP2_MALFORMED, what TakeOutput still gives is to be sent and the
  // connection closed.
  absl::Status Feed(ByteSpan data, MonoTime now);

  // Hands the next request that waits to the owner; false if none can be.
  bool RunOne(MonoTime now);
  // Of a request that was handed out; ignored if its call is over.
  void Answer(int32_t call, absl::StatusOr<std::string> answer);

  // What is to be sent now: at most some 16 KiB more than `room`.
  std::string TakeOutput(size_t room);

  // Takes no further calls after those that are on their way (GOAWAY), ends
  // streams with UNAVAILABLE, reason DRAINING, once they have answered, and
  // has finished when the last call has.
  void Drain();

  MonoTime deadline() const;
  // The same as Feed, when deadline() has come.
  absl::Status OnDeadline(MonoTime now);

  // Nothing follows on either side.
  bool finished() const;
  size_t open_calls() const { return calls_.size(); }

 private:
  struct Call {
    explicit Call(size_t max_request) : reader(max_request) {}

    int32_t id = 0;
    std::string path;
    std::string method;
    std::string content_type;
    std::string timeout;
    std::string encoding;
    size_t header_list = 0;

    bool taken = false;  // by OnCall
    size_t index = 0;    // of the method
    bool streams = false;
    MonoTime start;

    GrpcMessageReader reader;
    std::deque<std::string> inbox;
    size_t inbox_octets = 0;   // of inbox, and what it takes to keep them
    size_t held = 0;           // counted in held_
    size_t unconsumed = 0;     // of the flow-control window
    bool half_closed = false;  // the caller has said all
    bool queued = false;       // in ready_
    bool busy = false;         // a request is with the owner
    bool finishing = false;    // `status` is decided
    bool answering = false;    // response headers are submitted
    bool deferred = false;     // HTTP/2 waits for us to have more
    bool trailers_sent = false;
    absl::Status status;
    std::string out;
    size_t out_sent = 0;
  };
  struct Callbacks;  // libnghttp2's, which reach us by user data

  Call* Find(int32_t id);
  void OnBegin(int32_t id);
  void OnHeader(Call& call, std::string_view name, std::string_view value);
  void OnHeaders(Call& call);
  void OnData(int32_t id, ByteSpan data);
  void OnHalfClosed(Call& call);
  void OnSentEnd(Call& call);
  void OnClosed(int32_t id, uint32_t error);
  void OnIdleFrame();
  void OnPingAnswered(ByteSpan opaque);

  // Judges the headers of a call.
  absl::Status Accept(Call& call);
  void RefuseHttp(Call& call, std::string_view status);
  void Finish(Call& call, const absl::Status& status);
  void SubmitAnswer(Call& call);
  void SubmitTrailersOnly(Call& call);
  void SubmitTrailers(Call& call);
  void Consume(Call& call, size_t octets);
  // What the call makes us keep.
  void SetHeld(Call& call);
  // What is next for a call that has no request with the owner.
  void Proceed(Call& call);
  void Flooded();
  ptrdiff_t ReadAnswer(Call& call, uint8_t* to, size_t room, uint32_t* flags);

  GrpcCallOwner& owner_;
  const Options options_;
  nghttp2_session* session_ = nullptr;
  absl::flat_hash_map<int32_t, std::unique_ptr<Call>> calls_;
  std::deque<int32_t> ready_;
  DeadlineQueue<int32_t> deadlines_;
  MonoTime now_;  // of the last Feed, RunOne or OnDeadline
  size_t held_ = 0;
  size_t unsent_ = 0;
  bool draining_ = false;
  bool last_goaway_ = false;
  bool flooded_ = false;
  MonoTime last_heard_;
  MonoTime ping_deadline_ = MonoTime::InfiniteFuture();
  MonoTime resets_ = MonoTime::InfinitePast();
  MonoTime idle_frames_ = MonoTime::InfinitePast();
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_GRPC_CONNECTION_H_
