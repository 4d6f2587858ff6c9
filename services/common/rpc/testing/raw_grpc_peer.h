// A client of gRPC over mutual TLS that says what it is told to, for tests.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_GRPC_PEER_H_
#define SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_GRPC_PEER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/grpc_caller.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport {

// One connection, connected to a port of loopback when it is made. Its loop
// turns in RunUntil(). Thread-compatible.
class RawGrpcPeer final : public StreamHandler, public GrpcCallerOwner {
 public:
  RawGrpcPeer(int port, const PemFiles& files,
              const std::vector<std::string>& alpn = {"h2"})
      : loop_(*EventLoop::Create()) {
    TlsContextOptions tls;
    tls.role = TlsRole::kClient;
    tls.application_protocols = alpn;
    auto context = TlsContext::CreateFromFiles(
        files.certificate_file, files.key_file, files.ca_file, std::move(tls));
    EXPECT_THAT(context, IsOk());
    stream_ = *TlsStream::Connect(
        *loop_, SocketAddress::LoopbackV4(static_cast<uint16_t>(port)),
        *context, TlsStream::Options(), *this);
  }

  void OnOpen() override { open_ = true; }
  void OnData(ByteSpan data) override { (void)caller.Feed(data); }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status reason) override {
    ended = true;
    why = std::move(reason);
  }
  void OnAnswer(int32_t /*call*/, std::string answer) override {
    answers.push_back(std::move(answer));
  }
  void OnStatus(int32_t call, const absl::Status& status) override {
    statuses[call] = status;
  }

  // Until `done`, or ten seconds have passed.
  template <typename Done>
  bool RunUntil(Done done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (!done()) {
      if (absl::Now() > give_up) return false;
      if (open_ && !ended) {
        const std::string out = caller.TakeOutput();
        if (!out.empty()) (void)stream_->Write(AsBytes(out));
      }
      loop_->RunOnce(absl::Milliseconds(5));
    }
    return true;
  }

  GrpcCaller caller{*this};
  bool ended = false;
  absl::Status why;
  std::vector<std::string> answers;
  std::map<int32_t, absl::Status> statuses;

 private:
  std::unique_ptr<EventLoop> loop_;
  bool open_ = false;
  std::unique_ptr<TlsStream> stream_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_TESTING_RAW_GRPC_PEER_H_
