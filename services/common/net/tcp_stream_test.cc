#include "services/common/net/tcp_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
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
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

// Remembers what it was told.
struct Recorder final : StreamHandler {
  void OnOpen() override {
    open = true;
    if (on_open) on_open();
  }
  void OnData(ByteSpan d) override {
    data += ToString(d);
    if (on_data) on_data();
  }
  void OnEnd() override {
    ended = true;
    if (on_end) on_end();
  }
  void OnDrained() override { ++drained; }
  void OnClosed(absl::Status s) override {
    closed = std::move(s);
    if (on_closed) on_closed();
  }

  bool open = false, ended = false;
  int drained = 0;
  std::string data;
  std::optional<absl::Status> closed;
  std::function<void()> on_open, on_data, on_end, on_closed;
};

class TcpStreamTest : public testing::Test {
 protected:
  TcpStreamTest() : loop_(*EventLoop::Create()) {
    listener_ = *TcpListener::Listen(
        *loop_, SocketAddress::LoopbackV4(0), {},
        [this](UniqueFd fd, const SocketAddress& peer) {
          accepted_from_ = peer;
          server_ = *TcpStream::Accept(*loop_, std::move(fd), peer,
                                       server_options_, on_server_);
        });
  }

  // Turns the loop until `done`, at most five seconds.
  void RunUntil(const std::function<bool()>& done) {
    const MonoTime start = loop_->RefreshNow();
    while (!done()) {
      ASSERT_LT(loop_->now() - start, absl::Seconds(5)) << "timed out";
      loop_->RunOnce(absl::Milliseconds(50));
    }
  }
  void RunSome() {
    for (int i = 0; i < 5; ++i) loop_->RunOnce(absl::Milliseconds(2));
  }

  void Connect(const TcpStream::Options& options = {}) {
    client_ = *TcpStream::Connect(*loop_, listener_->local_address(), options,
                                  on_client_);
    RunUntil([&] { return on_client_.open && on_server_.open; });
  }

  std::unique_ptr<EventLoop> loop_;
  TcpStream::Options server_options_;
  SocketAddress accepted_from_;
  Recorder on_client_, on_server_;
  std::unique_ptr<TcpStream> client_, server_;
  std::unique_ptr<TcpListener> listener_;
};

TEST_F(TcpStreamTest, ConnectsAndCarriesBothWays) {
  Connect();
  EXPECT_EQ(client_->peer_address(), listener_->local_address());
  EXPECT_EQ(server_->peer_address(), client_->local_address());
  EXPECT_EQ(server_->local_address(), listener_->local_address());
  EXPECT_EQ(accepted_from_, client_->local_address());
  ASSERT_THAT(client_->Write(AsBytes("ping")), IsOk());
  RunUntil([&] { return on_server_.data == "ping"; });
  ASSERT_THAT(server_->Write(AsBytes("pong")), IsOk());
  RunUntil([&] { return on_client_.data == "pong"; });
}

TEST_F(TcpStreamTest, HalfCloseThenClose) {
  Connect();
  ASSERT_THAT(client_->Write(AsBytes("last words")), IsOk());
  client_->Finish();
  EXPECT_THAT(client_->Write(AsBytes("more")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunUntil([&] { return on_server_.ended; });
  EXPECT_EQ(on_server_.data, "last words");
  EXPECT_FALSE(on_server_.closed.has_value());
  ASSERT_THAT(server_->Write(AsBytes("answer")), IsOk());
  server_->Finish();
  RunUntil([&] { return on_client_.closed && on_server_.closed; });
  EXPECT_EQ(on_client_.data, "answer");
  EXPECT_TRUE(on_client_.ended);
  EXPECT_THAT(*on_client_.closed, IsOk());
  EXPECT_THAT(*on_server_.closed, IsOk());
}

TEST_F(TcpStreamTest, TheLastWordsAndTheEndAreOne) {
  Connect();
  ASSERT_THAT(client_->FinishWith(AsBytes("last words")), IsOk());
  EXPECT_THAT(client_->FinishWith(AsBytes("more")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunUntil([&] { return on_server_.ended; });
  EXPECT_EQ(on_server_.data, "last words");
  ASSERT_THAT(server_->FinishWith(AsBytes("answer")), IsOk());
  RunUntil([&] { return on_client_.closed && on_server_.closed; });
  EXPECT_EQ(on_client_.data, "answer");
  EXPECT_THAT(*on_client_.closed, IsOk());
  EXPECT_THAT(*on_server_.closed, IsOk());
}

TEST_F(TcpStreamTest, LastWordsThatTheKernelDoesNotTakeAtOnceStayWhole) {
  server_options_.max_write_buffer = size_t{64} << 20;
  Connect();
  const std::string sent(10'000'000, 'x');
  ASSERT_THAT(server_->FinishWith(AsBytes(sent)), IsOk());
  EXPECT_GT(server_->buffered(), 0u);
  RunUntil([&] { return on_client_.ended; });
  EXPECT_EQ(on_client_.data.size(), sent.size());
}

TEST_F(TcpStreamTest, LargeTransfersDrainAndStayWhole) {
  server_options_.max_write_buffer = size_t{64} << 20;
  Connect();
  std::string sent;
  for (int i = 0; i < 2'000'000; ++i)
    sent += static_cast<char>(i * 7 + i / 256);
  sent += sent + sent;
  ASSERT_THAT(server_->Write(AsBytes(sent)), IsOk());
  EXPECT_GT(server_->buffered(), 0u);
  RunUntil([&] { return on_client_.data.size() == sent.size(); });
  EXPECT_TRUE(on_client_.data == sent);
  RunUntil([&] { return on_server_.drained == 1; });
  EXPECT_EQ(server_->buffered(), 0u);
}

// Whoever has much to say does not hold the others of the loop up.
TEST_F(TcpStreamTest, IsReadOnceATurn) {
  Connect();
  constexpr size_t kMuch = 200'000;
  ASSERT_THAT(client_->Write(AsBytes(std::string(kMuch, 'm'))), IsOk());
  int reads = 0, turns = 0;
  on_server_.on_data = [&] { ++reads; };
  while (on_server_.data.size() < kMuch && turns < 1000) {
    loop_->RunOnce(absl::Seconds(5));
    EXPECT_LE(reads, ++turns);
  }
  EXPECT_EQ(on_server_.data.size(), kMuch);
  EXPECT_GT(reads, 10);
}

TEST_F(TcpStreamTest, TheWriteBufferIsBounded) {
  server_options_.max_write_buffer = 1000;
  Connect();
  client_->PauseReading();
  const std::string chunk(1000, 'x');
  absl::Status status;
  int accepted = 0;
  for (; accepted < 100'000 && status.ok(); ++accepted) {
    status = server_->Write(AsBytes(chunk));
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_LE(server_->buffered(), 1000u);
  EXPECT_THAT(server_->Write(AsBytes(std::string(1001, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted));
  // What was refused was not taken in part.
  client_->ResumeReading();
  const size_t expected = static_cast<size_t>(accepted - 1) * chunk.size();
  RunUntil([&] { return on_client_.data.size() == expected; });
}

TEST_F(TcpStreamTest, PauseHoldsDataBack) {
  Connect();
  server_->PauseReading();
  ASSERT_THAT(client_->Write(AsBytes("wait")), IsOk());
  RunSome();
  EXPECT_EQ(on_server_.data, "");
  server_->ResumeReading();
  RunUntil([&] { return on_server_.data == "wait"; });
}

TEST_F(TcpStreamTest, ComesFromTheAddressThatItIsBoundTo) {
  TcpStream::Options options;
  options.bind_address = *SocketAddress::FromIp("127.0.0.77", 0);
  client_ = *TcpStream::Connect(*loop_, listener_->local_address(), options,
                                on_client_);
  RunUntil([&] { return on_client_.open; });
  EXPECT_EQ(client_->local_address().IpText(), "127.0.0.77");
  EXPECT_NE(client_->local_address().port(), 0);
}

TEST_F(TcpStreamTest, ConnectionRefusedIsUnavailable) {
  const SocketAddress gone = listener_->local_address();
  listener_.reset();
  auto client = TcpStream::Connect(*loop_, gone, {}, on_client_);
  if (client.ok()) {
    client_ = *std::move(client);
    RunUntil([&] { return on_client_.closed.has_value(); });
    EXPECT_THAT(*on_client_.closed, StatusIs(absl::StatusCode::kUnavailable));
  } else {
    EXPECT_THAT(client, StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_FALSE(on_client_.open);
}

TEST_F(TcpStreamTest, ConnectTimesOut) {
  // A listener whose backlog is full answers no further SYN.
  UniqueFd full(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_storage name;
  socklen_t size = SocketAddress::LoopbackV4(0).ToSockaddr(name);
  ASSERT_EQ(bind(full.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(full.get(), 0), 0);
  size = sizeof(name);
  ASSERT_EQ(getsockname(full.get(), reinterpret_cast<sockaddr*>(&name), &size),
            0);
  const SocketAddress address =
      *SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size);
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::vector<std::unique_ptr<TcpStream>> streams;
  for (int i = 0; i < 4; ++i) {
    recorders.push_back(std::make_unique<Recorder>());
    streams.push_back(*TcpStream::Connect(
        *loop_, address, {.connect_timeout = absl::Milliseconds(100)},
        *recorders.back()));
  }
  RunUntil([&] { return recorders.back()->closed.has_value(); });
  EXPECT_THAT(*recorders.back()->closed,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(TcpStreamTest, AResetIsUnavailable) {
  Connect();
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  // Our own socket, found by its number, closed with a RST.
  const SocketAddress far = client_->local_address();
  for (int fd = 3; fd < 64; ++fd) {
    sockaddr_storage name;
    socklen_t size = sizeof(name);
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
        SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size) ==
            far) {
      ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)),
                0);
    }
  }
  client_->Close();
  RunUntil([&] { return on_server_.closed.has_value(); });
  EXPECT_THAT(*on_server_.closed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(on_client_.closed.has_value());  // Close tells nobody
}

TEST_F(TcpStreamTest, MayBeDestroyedByAnyOfItsCalls) {
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
    client_ =
        *TcpStream::Connect(*loop_, listener_->local_address(), {}, on_client_);
    RunUntil([&] { return on_client_.open && on_server_.open; });
    if (which > 0) {
      ASSERT_THAT(client_->Write(AsBytes("x")), IsOk());
      RunUntil([&] { return on_server_.data == "x"; });
      client_->Finish();
    }
    if (which == 3) {
      RunUntil([&] { return on_server_.ended; });
      server_->Finish();
    }
    RunUntil([&] { return destroyed; });
    RunSome();
  }
}

TEST_F(TcpStreamTest, WritingIsRefusedBeforeOpenAndAfterClose) {
  client_ =
      *TcpStream::Connect(*loop_, listener_->local_address(), {}, on_client_);
  EXPECT_THAT(client_->Write(AsBytes("early")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunUntil([&] { return on_client_.open; });
  client_->Close();
  EXPECT_THAT(client_->Write(AsBytes("late")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(TcpStreamTest, TheListenerMayBeDestroyedByItsCallback) {
  int accepted = 0;
  std::unique_ptr<TcpListener> other;
  other = *TcpListener::Listen(*loop_, SocketAddress::LoopbackV4(0), {},
                               [&](UniqueFd, const SocketAddress&) {
                                 ++accepted;
                                 other.reset();
                               });
  const SocketAddress address = other->local_address();
  Recorder first, second;
  auto a = *TcpStream::Connect(*loop_, address, {}, first);
  auto b = *TcpStream::Connect(*loop_, address, {}, second);
  RunUntil([&] { return accepted == 1; });
  RunSome();
  EXPECT_EQ(accepted, 1);
}

TEST_F(TcpStreamTest, ListeningTwiceOnAPortIsRefused) {
  EXPECT_THAT(TcpListener::Listen(*loop_, listener_->local_address(), {},
                                  [](UniqueFd, const SocketAddress&) {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

}  // namespace
}  // namespace sallyport
