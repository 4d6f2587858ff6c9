// One connection between two edges: who it is, then frames in one direction,
// from the one who dialled.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_LINK_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_LINK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/tls/tls_context.h"
#include "services/signaling_edge/core/dialog_token.h"

namespace sallyport::signaling_edge {

// Both ends prove that they hold a token key of the cluster, over nonces of
// both; under TLS their certificates have been checked before. Each frame is a
// length of four octets and as many; one of length 0 asks for a sign of life,
// and is answered by another. Loop thread only.
class ClusterLink final : private StreamHandler {
 public:
  struct Self {
    std::string edge_id;
    uint32_t loops = 1;
    std::shared_ptr<const TokenKeys> keys;
  };
  struct Options {
    absl::Duration handshake_timeout = absl::Seconds(5);
    absl::Duration ping = absl::Seconds(1);  // of who dialled
    absl::Duration dead = absl::Seconds(4);  // silence that ends it
    size_t max_queue = size_t{8} << 20;      // octets that wait to go out
  };
  // Each call may destroy the link.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Both have proven themselves.
    virtual void OnLinkUp(ClusterLink& link) = 0;
    virtual void OnLinkFrame(ClusterLink& link, ByteSpan payload) = 0;
    virtual void OnLinkDown(ClusterLink& link, const absl::Status& why) = 0;
  };

  // `tls` null: in clear. All but `tls` outlive the link.
  static absl::StatusOr<std::unique_ptr<ClusterLink>> Dial(
      EventLoop& loop, const SocketAddress& to,
      std::shared_ptr<const TlsContext> tls, const Options& options,
      const Self& self, RandomSource& random, Owner& owner);
  static absl::StatusOr<std::unique_ptr<ClusterLink>> Accept(
      EventLoop& loop, UniqueFd fd, const SocketAddress& from,
      std::shared_ptr<const TlsContext> tls, const Options& options,
      const Self& self, RandomSource& random, Owner& owner);
  ~ClusterLink() override;
  ClusterLink(const ClusterLink&) = delete;
  ClusterLink& operator=(const ClusterLink&) = delete;

  // A whole frame, of who dialled. RESOURCE_EXHAUSTED when too much waits.
  absl::Status Send(std::string_view frame);

  // Messages that Send() took and that did not go out, once it is down.
  size_t lost() const { return state_ == State::kDown ? waiting_.size() : 0; }

  bool up() const { return state_ == State::kUp; }
  bool dialled() const { return dialled_; }
  const SocketAddress& remote() const { return remote_; }
  // Of the other end, once up.
  const std::string& edge_id() const { return edge_id_; }
  uint64_t edge() const { return edge_; }
  uint32_t loops() const { return loops_; }

 private:
  enum class State { kConnecting, kNonce, kHello, kUp, kDown };

  ClusterLink(EventLoop& loop, bool dialled, const SocketAddress& remote,
              const Options& options, const Self& self, RandomSource& random,
              Owner& owner);

  // StreamHandler.
  void OnOpen() override;
  void OnData(ByteSpan data) override;
  void OnEnd() override;
  void OnClosed(absl::Status why) override;

  absl::Status OnFrame(ByteSpan payload);
  absl::Status OnHello(ByteSpan payload);
  absl::Status SendHello();
  absl::Status SendFrame(std::string_view payload);
  void ForgetWritten();
  void OnTimer(MonoTime now);
  void Fail(const absl::Status& why);  // `this` may be gone afterwards

  EventLoop& loop_;
  const bool dialled_;
  const SocketAddress remote_;
  const Options options_;
  const Self& self_;
  Owner& owner_;
  EventLoop::TimerId timer_;
  State state_ = State::kConnecting;
  std::unique_ptr<ByteStream> stream_;
  std::string own_nonce_;
  std::string their_nonce_;
  std::string input_;
  uint64_t sent_ = 0;             // octets of messages
  std::deque<uint64_t> waiting_;  // where those end that may still wait
  std::string edge_id_;
  uint64_t edge_ = 0;
  uint32_t loops_ = 0;
  MonoTime heard_;
  bool* destroyed_ = nullptr;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_LINK_H_
