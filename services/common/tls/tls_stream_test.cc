#include "services/common/tls/tls_stream.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

// Remembers what it was told.
struct Recorder final : StreamHandler {
  void OnOpen() override {
    open = true;
    if (on_open) on_open();
  }
  void OnData(ByteSpan d) override {
    EXPECT_TRUE(open) << "data before the handshake was complete";
    data += ToString(d);
    if (on_data) on_data();
  }
  void OnEnd() override {
    ended = true;
    if (on_end) on_end();
  }
  void OnClosed(absl::Status s) override {
    closed = std::move(s);
    if (on_closed) on_closed();
  }

  bool open = false, ended = false;
  std::string data;
  std::optional<absl::Status> closed;
  std::function<void()> on_open, on_data, on_end, on_closed;
};

class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() : loop_(*EventLoop::Create()) {
    listener_ = *TcpListener::Listen(
        *loop_, SocketAddress::LoopbackV4(0), {},
        [this](UniqueFd fd, const SocketAddress& peer) {
          server_ = *TlsStream::Accept(*loop_, std::move(fd), peer,
                                       Context(TlsRole::kServer, server_cert_),
                                       server_options_, on_server_);
        });
  }

  std::shared_ptr<const TlsContext> Context(TlsRole role,
                                            const TestCertificate& cert) {
    TlsContextOptions options;
    options.role = role;
    options.certificate_chain_pem = cert.pem;
    options.private_key_pem = cert.KeySecret();
    options.trust_anchors = *TrustAnchors::FromPem(ca_.pem());
    options.client_certificate = ClientCertificateMode::kRequire;
    options.approved_only = approved_only_;
    return *TlsContext::Create(std::move(options));
  }

  void RunUntil(const std::function<bool()>& done) {
    const MonoTime start = loop_->RefreshNow();
    while (!done()) {
      ASSERT_LT(loop_->now() - start, absl::Seconds(5)) << "timed out";
      loop_->RunOnce(absl::Milliseconds(50));
    }
  }

  void Connect() {
    client_ = *TlsStream::Connect(*loop_, listener_->local_address(),
                                  Context(TlsRole::kClient, client_cert_),
                                  {.server_name = "edge.test"}, on_client_);
  }
  void ConnectAndOpen() {
    Connect();
    RunUntil([&] { return on_client_.open && on_server_.open; });
  }

  std::unique_ptr<EventLoop> loop_;
  TestCa ca_;
  TestCertificate server_cert_ = ca_.IssueDns("edge.test");
  TestCertificate client_cert_ = ca_.IssueDns("gw.test");
  TlsStream::Options server_options_;
  bool approved_only_ = false;
  Recorder on_client_, on_server_;
  std::unique_ptr<TlsStream> client_, server_;
  std::unique_ptr<TcpListener> listener_;
};

TEST_F(TlsStreamTest, CarriesBothWaysAndKnowsThePeer) {
  ConnectAndOpen();
  EXPECT_EQ(server_->session().peer()->leaf.subject, "CN=gw.test");
  EXPECT_EQ(client_->session().peer()->leaf.subject, "CN=edge.test");
  EXPECT_EQ(server_->session().server_name(), "edge.test");
  EXPECT_EQ(server_->session().group(), "X25519");
  EXPECT_EQ(server_->peer_address(), client_->local_address());
  ASSERT_THAT(client_->Write(AsBytes("ping")), IsOk());
  RunUntil([&] { return on_server_.data == "ping"; });
  ASSERT_THAT(server_->Write(AsBytes("pong")), IsOk());
  RunUntil([&] { return on_client_.data == "pong"; });
}

// What came with the end of the handshake goes with the connection, and what
// the far side does meanwhile is seen on the other loop.
TEST_F(TlsStreamTest, GoesOnOnAnotherLoopWhereItWasGivenAway) {
  std::optional<TlsStream::Moved> moved;
  on_server_.on_open = [&] { moved = server_->Detach(); };
  on_client_.on_open = [&] {
    ASSERT_THAT(client_->Write(AsBytes("with the handshake, ")), IsOk());
  };
  Connect();
  RunUntil([&] { return moved.has_value() && on_client_.open; });
  ASSERT_THAT(client_->Write(AsBytes("on its way, ")), IsOk());
  loop_->RunOnce(absl::ZeroDuration());
  EXPECT_EQ(on_server_.data, "");
  server_ = nullptr;

  const auto other = *EventLoop::Create();
  Recorder on_adopted;
  auto adopted =
      *TlsStream::Adopt(*other, *std::move(moved), server_options_, on_adopted);
  EXPECT_EQ(adopted->peer_address(), client_->local_address());
  EXPECT_THAT(adopted->Write(AsBytes("x")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  const auto run_both = [&](const std::function<bool()>& done) {
    RunUntil([&] {
      other->RunOnce(absl::ZeroDuration());
      return done();
    });
  };
  run_both(
      [&] { return on_adopted.data == "with the handshake, on its way, "; });
  EXPECT_EQ(adopted->session().peer()->leaf.subject, "CN=gw.test");
  ASSERT_THAT(adopted->Write(AsBytes("heard")), IsOk());
  run_both([&] { return on_client_.data == "heard"; });
  client_->Finish();
  run_both([&] { return on_adopted.ended; });
  adopted->Finish();
  run_both([&] { return on_adopted.closed && on_client_.closed; });
  EXPECT_THAT(*on_adopted.closed, IsOk());
  EXPECT_THAT(*on_client_.closed, IsOk());
  EXPECT_FALSE(on_server_.closed.has_value());
}

// Octets that TCP did not take before are written by the next loop first.
TEST_F(TlsStreamTest, WhatWaitedToGoOutGoesWithIt) {
  server_options_.tcp.max_write_buffer = size_t{32} << 20;
  ConnectAndOpen();
  client_->PauseReading();
  const std::string sent(20'000'000, 'x');
  ASSERT_THAT(server_->Write(AsBytes(sent)), IsOk());
  ASSERT_GT(server_->buffered(), 0u);
  TlsStream::Moved moved = server_->Detach();
  EXPECT_FALSE(moved.unsent.empty());
  Recorder on_adopted;
  server_ =
      *TlsStream::Adopt(*loop_, std::move(moved), server_options_, on_adopted);
  on_adopted.on_open = [&] {
    ASSERT_THAT(server_->Write(AsBytes("end")), IsOk());
  };
  client_->ResumeReading();
  RunUntil([&] { return on_client_.data.size() == sent.size() + 3; });
  EXPECT_TRUE(on_client_.data == sent + "end");
}

TEST_F(TlsStreamTest, WhoHasGoneOnTheWayIsToldOfWhereItGoesOn) {
  ConnectAndOpen();
  TlsStream::Moved moved = server_->Detach();
  client_ = nullptr;
  loop_->RunOnce(absl::ZeroDuration());
  Recorder on_adopted;
  server_ =
      *TlsStream::Adopt(*loop_, std::move(moved), server_options_, on_adopted);
  RunUntil([&] { return on_adopted.closed.has_value(); });
  EXPECT_FALSE(on_adopted.closed->ok());
  EXPECT_FALSE(on_server_.closed.has_value());
}

TEST_F(TlsStreamTest, LargeTransfersStayWhole) {
  server_options_.tcp.max_write_buffer = size_t{16} << 20;
  ConnectAndOpen();
  std::string sent;
  for (int i = 0; i < 5'000'000; ++i)
    sent += static_cast<char>(i * 7 + i / 256);
  ASSERT_THAT(server_->Write(AsBytes(sent)), IsOk());
  RunUntil([&] { return on_client_.data.size() == sent.size(); });
  EXPECT_TRUE(on_client_.data == sent);
}

TEST_F(TlsStreamTest, TheWriteBufferIsBounded) {
  server_options_.tcp.max_write_buffer = 10'000;
  ConnectAndOpen();
  client_->PauseReading();
  absl::Status status;
  size_t taken = 0;
  while (taken < (size_t{100} << 20)) {
    status = server_->Write(AsBytes(std::string(1000, 'x')));
    if (!status.ok()) break;
    taken += 1000;
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  client_->ResumeReading();
  RunUntil([&] { return on_client_.data.size() == taken; });
}

TEST_F(TlsStreamTest, FinishIsSeenAsAnEndAndBothCloseCleanly) {
  ConnectAndOpen();
  ASSERT_THAT(client_->Write(AsBytes("last")), IsOk());
  client_->Finish();
  RunUntil([&] { return on_server_.ended; });
  EXPECT_EQ(on_server_.data, "last");
  ASSERT_THAT(server_->Write(AsBytes("answer")), IsOk());
  server_->Finish();
  RunUntil([&] { return on_client_.closed && on_server_.closed; });
  EXPECT_EQ(on_client_.data, "answer");
  EXPECT_THAT(*on_client_.closed, IsOk());
  EXPECT_THAT(*on_server_.closed, IsOk());
}

TEST_F(TlsStreamTest, FinishWithSaysItsLastWordsAndEnds) {
  ConnectAndOpen();
  EXPECT_THAT(server_->FinishWith(AsBytes(std::string(20 << 20, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_THAT(server_->FinishWith(AsBytes("last")), IsOk());
  EXPECT_THAT(server_->Write(AsBytes("more")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunUntil([&] { return on_client_.ended; });
  EXPECT_EQ(on_client_.data, "last");
  ASSERT_THAT(client_->FinishWith(AsBytes("answer")), IsOk());
  RunUntil([&] { return on_client_.closed && on_server_.closed; });
  EXPECT_EQ(on_server_.data, "answer");
  EXPECT_THAT(*on_client_.closed, IsOk());
  EXPECT_THAT(*on_server_.closed, IsOk());
}

// With TLS 1.2 the last word of the handshake is the server's.
TEST_F(TlsStreamTest, WhoeverClosesAtOnceBreaksOffNoHandshake) {
  approved_only_ = true;
  for (const bool destroys : {false, true}) {
    SCOPED_TRACE(destroys);
    on_client_ = Recorder();
    on_server_ = Recorder();
    on_server_.on_open = [&] {
      EXPECT_THAT(server_->Write(AsBytes("welcome")), IsOk());
      if (destroys) {
        server_.reset();
      } else {
        server_->Close();
      }
    };
    Connect();
    RunUntil([&] { return on_client_.closed.has_value(); });
    EXPECT_TRUE(on_client_.open);
    EXPECT_EQ(on_client_.data, "welcome");
    on_client_ = Recorder();
    on_server_ = Recorder();
    on_server_.on_open = [&] {
      if (destroys) {
        server_.reset();
      } else {
        server_->Close();
      }
    };
    Connect();
    RunUntil([&] { return on_client_.closed.has_value(); });
    EXPECT_TRUE(on_client_.open);
  }
}

TEST_F(TlsStreamTest, AnUntrustedPeerIsRefusedOnBothSides) {
  TestCa other;
  client_cert_ = other.IssueDns("gw.test");
  std::string subject;
  on_server_.on_closed = [&] {
    subject = server_->session().peer()->leaf.subject;
  };
  Connect();
  RunUntil([&] { return on_client_.closed && on_server_.closed; });
  EXPECT_THAT(*on_server_.closed, HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  EXPECT_FALSE(on_server_.open);
  EXPECT_EQ(subject, "CN=gw.test");
}

TEST_F(TlsStreamTest, AnEndWithoutCloseNotifyIsTruncation) {
  ConnectAndOpen();
  client_->Close();
  RunUntil([&] { return on_server_.closed.has_value(); });
  EXPECT_THAT(*on_server_.closed, HasReason("TLS_TRUNCATED"));
  EXPECT_THAT(*on_server_.closed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(on_server_.ended);
}

TEST_F(TlsStreamTest, ASilentClientTimesOut) {
  server_options_.handshake_timeout = absl::Milliseconds(50);
  Recorder on_tcp;
  auto silent =
      *TcpStream::Connect(*loop_, listener_->local_address(), {}, on_tcp);
  RunUntil([&] { return on_server_.closed.has_value(); });
  EXPECT_THAT(*on_server_.closed,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(on_server_.open);
}

TEST_F(TlsStreamTest, PlainTextOnTheTlsPortIsRefused) {
  Recorder on_tcp;
  auto plain =
      *TcpStream::Connect(*loop_, listener_->local_address(), {}, on_tcp);
  RunUntil([&] { return on_tcp.open; });
  ASSERT_THAT(plain->Write(AsBytes("OPTIONS sip:a SIP/2.0\r\n\r\n")), IsOk());
  RunUntil([&] { return on_server_.closed.has_value(); });
  EXPECT_THAT(*on_server_.closed, HasReason("TLS_HANDSHAKE_FAILED"));
}

TEST_F(TlsStreamTest, WritingBeforeOpenIsRefused) {
  Connect();
  EXPECT_THAT(client_->Write(AsBytes("early")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunUntil([&] { return on_client_.open; });
}

TEST_F(TlsStreamTest, MayBeDestroyedByAnyOfItsCalls) {
  for (int which = 0; which < 4; ++which) {
    SCOPED_TRACE(which);
    on_client_ = Recorder();
    on_server_ = Recorder();
    bool destroyed = false;
    const auto destroy = [&] {
      server_.reset();
      destroyed = true;
    };
    if (which == 0) on_server_.on_open = destroy;
    if (which == 1) on_server_.on_data = destroy;
    if (which == 2) on_server_.on_end = destroy;
    if (which == 3) on_server_.on_closed = destroy;
    Connect();
    RunUntil([&] { return on_client_.open && on_server_.open; });
    if (which > 0) {
      ASSERT_THAT(client_->Write(AsBytes("x")), IsOk());
      RunUntil([&] { return on_server_.data == "x"; });
    }
    if (which == 2) client_->Finish();
    if (which == 3) client_->Close();
    RunUntil([&] { return destroyed; });
    loop_->RunOnce(absl::Milliseconds(1));
  }
}

}  // namespace
}  // namespace sallyport
