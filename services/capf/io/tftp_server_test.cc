#include "services/capf/io/tftp_server.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "services/common/bytes/byte_span.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using namespace std::string_literals;

struct Packet {
  std::string payload;
  SocketAddress from;
};

class TftpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    SP_ASSERT_OK_AND_ASSIGN(loop_, EventLoop::Create());
    const std::array<absl::Span<const MetricSpec>, 1> tables = {kCapfMetrics};
    SP_ASSERT_OK_AND_ASSIGN(metrics_, MetricsRegistry::Create(tables));
    files_["CTLFile.tlv"] = std::string(1000, 'c');
    options_.address = SocketAddress::LoopbackV4(0);
    options_.limits.retransmit = absl::Milliseconds(20);
    options_.limits.max_retransmit = absl::Seconds(1);
  }

  void Start() {
    SP_ASSERT_OK_AND_ASSIGN(
        server_, TftpServer::Create(
                     *loop_, options_,
                     [this](const std::string& name,
                            std::function<void(TftpServer::Content)> done) {
                       const auto it = files_.find(name);
                       if (it == files_.end()) return done(nullptr);
                       auto content =
                           std::make_shared<const std::string>(it->second);
                       if (!late_) return done(std::move(content));
                       loop_->Defer([done, content] { done(content); });
                     },
                     random_, *metrics_));
  }

  UdpSocket Client() {
    auto socket = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
    EXPECT_TRUE(socket.ok());
    return *std::move(socket);
  }

  void Send(UdpSocket& socket, const std::string& payload, int port) {
    EXPECT_TRUE(socket
                    .SendOne({.payload = AsBytes(payload),
                              .peer = SocketAddress::LoopbackV4(
                                  static_cast<uint16_t>(port)),
                              .local = std::nullopt})
                    .ok());
  }
  void Request(UdpSocket& socket, const std::string& name,
               const std::string& options = "") {
    Send(socket, "\0\1"s + name + "\0octet\0"s + options, server_->port());
  }

  // The next packet to `socket`, with the loop turning meanwhile.
  std::optional<Packet> Receive(UdpSocket& socket, int turns = 100) {
    for (int i = 0; i < turns; ++i) {
      const auto batch = socket.Receive(buffer_);
      if (batch.ok() && !batch->empty()) {
        EXPECT_EQ(batch->size(), 1u);
        return Packet{ToString(batch->front().payload), batch->front().peer};
      }
      loop_->RunOnce(absl::Milliseconds(2));
    }
    return std::nullopt;
  }

  std::unique_ptr<EventLoop> loop_;
  std::map<std::string, std::string, std::less<>> files_;
  TftpServer::Options options_;
  SystemRandom random_;
  std::unique_ptr<MetricsRegistry> metrics_;
  bool late_ = false;  // files are found after a while
  std::unique_ptr<TftpServer> server_;
  UdpReceiveBuffer buffer_{1};
};

TEST_F(TftpServerTest, AnswersFromANewPort) {
  Start();
  UdpSocket phone = Client();
  Request(phone, "CTLFile.tlv");
  const auto first = Receive(phone);
  ASSERT_TRUE(first.has_value());
  EXPECT_NE(first->from.port(), server_->port());
  EXPECT_EQ(first->payload, "\0\3\0\1"s + std::string(512, 'c'));
  Send(phone, "\0\4\0\1"s, first->from.port());
  const auto second = Receive(phone);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->from, first->from);
  EXPECT_EQ(second->payload, "\0\3\0\2"s + std::string(488, 'c'));
  EXPECT_EQ(server_->transfers(), 1u);
  Send(phone, "\0\4\0\2"s, first->from.port());
  EXPECT_FALSE(Receive(phone, 5).has_value());
  EXPECT_EQ(server_->transfers(), 0u);
}

TEST_F(TftpServerTest, AnswersFromTheOnePortWhereAsked) {
  options_.single_port = true;
  Start();
  UdpSocket one = Client();
  UdpSocket two = Client();
  Request(one, "CTLFile.tlv", "blksize\000900\0"s);
  Request(two, "CTLFile.tlv");
  const auto oack = Receive(one);
  const auto data = Receive(two);
  ASSERT_TRUE(oack.has_value() && data.has_value());
  EXPECT_EQ(oack->from.port(), server_->port());
  EXPECT_EQ(data->from.port(), server_->port());
  EXPECT_EQ(oack->payload, "\0\6blksize\000900\0"s);
  Send(one, "\0\4\0\0"s, server_->port());
  const auto first = Receive(one);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->payload.size(), 904u);
  EXPECT_EQ(data->payload.size(), 516u);
}

TEST_F(TftpServerTest, AMissingFileIsAFastErrorOne) {
  Start();
  UdpSocket phone = Client();
  Request(phone, "CTLSEP001122334455.tlv");
  const auto answer = Receive(phone);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->payload, "\0\5\0\1File not found\0"s);
  EXPECT_EQ(server_->transfers(), 0u);
}

TEST_F(TftpServerTest, AStrangerGetsErrorFiveAndDisturbsNothing) {
  Start();
  UdpSocket phone = Client();
  UdpSocket stranger = Client();
  Request(phone, "CTLFile.tlv");
  const auto first = Receive(phone);
  ASSERT_TRUE(first.has_value());
  Send(stranger, "\0\4\0\1"s, first->from.port());
  const auto told = Receive(stranger);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->payload.substr(0, 4), "\0\5\0\5"s);
  Send(phone, "\0\4\0\1"s, first->from.port());
  const auto next = Receive(phone);
  ASSERT_TRUE(next.has_value());
}

TEST_F(TftpServerTest, SendsAgainWhatWasLostAndEndsInTheEnd) {
  options_.limits.max_sends = 3;
  Start();
  UdpSocket phone = Client();
  Request(phone, "CTLFile.tlv");
  for (int i = 0; i < 3; ++i) {
    const auto packet = Receive(phone);
    ASSERT_TRUE(packet.has_value()) << i;
    EXPECT_EQ(packet->payload.substr(0, 4), "\0\3\0\1"s);
  }
  EXPECT_FALSE(Receive(phone).has_value());
  EXPECT_EQ(server_->transfers(), 0u);
}

TEST_F(TftpServerTest, TheFileStaysTheSameWhileItIsSent) {
  Start();
  UdpSocket phone = Client();
  Request(phone, "CTLFile.tlv");
  const auto first = Receive(phone);
  ASSERT_TRUE(first.has_value());
  files_["CTLFile.tlv"] = std::string(1000, 'n');
  Send(phone, "\0\4\0\1"s, first->from.port());
  const auto second = Receive(phone);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->payload.substr(4), std::string(488, 'c'));
}

TEST_F(TftpServerTest, AFileMayTakeItsTimeAndItsArrivalIsTold) {
  late_ = true;
  std::string sent;
  options_.on_sent = [&sent](const std::string& name,
                             const TftpServer::Content& content) {
    sent = name + " " + std::to_string(content->size());
  };
  files_["small"] = "x";
  Start();
  UdpSocket phone = Client();
  Request(phone, "small");
  Request(phone, "small");
  const auto data = Receive(phone);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->payload, "\0\3\0\1x"s);
  EXPECT_EQ(sent, "");
  Send(phone, "\0\4\0\1"s, data->from.port());
  EXPECT_FALSE(Receive(phone, 5).has_value());
  EXPECT_EQ(sent, "small 1");
}

TEST_F(TftpServerTest, WhatWaitsForItsFileCountsToo) {
  late_ = true;
  options_.max_transfers = 1;
  Start();
  UdpSocket one = Client();
  UdpSocket two = Client();
  Request(one, "CTLFile.tlv");
  Request(two, "CTLFile.tlv");
  const auto refused = Receive(two);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->payload, "\0\5\0\0Too many transfers\0"s);
  const auto data = Receive(one);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->payload.size(), 516u);
}

TEST_F(TftpServerTest, OneSourceCannotTakeItAll) {
  options_.requests_per_source = GcraLimit::PerSecond(1, 3);
  Start();
  UdpSocket phone = Client();
  for (int i = 0; i < 3; ++i) {
    Request(phone, "missing");
    EXPECT_TRUE(Receive(phone).has_value());
  }
  Request(phone, "missing");
  EXPECT_FALSE(Receive(phone, 10).has_value());
}

TEST_F(TftpServerTest, NothingIsAnsweredToWhatIsNoRequest) {
  Start();
  UdpSocket phone = Client();
  Send(phone, "\0\4\0\1"s, server_->port());
  Send(phone, "\0\3\0\1x"s, server_->port());
  Send(phone, "x", server_->port());
  EXPECT_FALSE(Receive(phone, 10).has_value());
  EXPECT_EQ(
      metrics_->Counter(kCapfTftpRequestsTotal).Value(TftpRequest::kNoRequest),
      3);
}

}  // namespace
}  // namespace sallyport::capf
