#include "services/capf/core/tftp_transfer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {
namespace {

using namespace std::string_literals;

constexpr MonoTime kStart = MonoTime::FromOrigin(absl::Seconds(100));

std::string Ack(uint16_t block) {
  return {0, 4, static_cast<char>(block >> 8), static_cast<char>(block)};
}

TftpTransfer Transfer(std::string content, std::vector<TftpOption> options = {},
                      const TftpLimits& limits = {}) {
  return TftpTransfer(std::make_shared<const std::string>(std::move(content)),
                      {.file_name = "f", .options = std::move(options)},
                      limits);
}

// Plays a client that acknowledges everything at once; returns what it got.
std::string Fetch(TftpTransfer& transfer, size_t block_size) {
  std::string got;
  std::string packet = transfer.Begin(kStart);
  if (packet[1] == 6) {
    packet = transfer.OnPacket(AsBytes(Ack(0)), kStart).value_or("");
  }
  for (uint32_t block = 1;; ++block) {
    EXPECT_EQ(packet.substr(0, 2), "\0\3"s);
    EXPECT_EQ(
        static_cast<uint8_t>(packet[2]) << 8 | static_cast<uint8_t>(packet[3]),
        block & 0xffff);
    got += packet.substr(4);
    const bool last = packet.size() - 4 < block_size;
    const auto next =
        transfer.OnPacket(AsBytes(Ack(static_cast<uint16_t>(block))), kStart);
    EXPECT_EQ(next.has_value(), !last);
    if (!next) return got;
    packet = *next;
  }
}

TEST(TftpTransferTest, SendsFilesOfEverySizeAroundABlock) {
  for (const size_t size : {0, 1, 511, 512, 513, 1024, 5000}) {
    const std::string content(size, 'c');
    TftpTransfer transfer = Transfer(content);
    EXPECT_EQ(Fetch(transfer, 512), content) << size;
    EXPECT_EQ(transfer.outcome(), TftpOutcome::kSent);
    EXPECT_EQ(transfer.deadline(), MonoTime::InfiniteFuture());
  }
}

// RFC 2348: the server may grant less than was asked.
TEST(TftpTransferTest, GrantsBlockSizesWithinItsLimit) {
  TftpTransfer small = Transfer(std::string(100, 'x'), {{"blksize", "8"}});
  EXPECT_EQ(small.Begin(kStart), "\0\6blksize\0008\0"s);
  TftpTransfer large = Transfer("x", {{"blksize", "65464"}});
  EXPECT_EQ(large.Begin(kStart), "\0\6blksize\0001428\0"s);
  for (const char* value : {"7", "65465", "-1", "abc", "", "99999999999"}) {
    TftpTransfer bad = Transfer("x", {{"blksize", value}});
    EXPECT_EQ(bad.Begin(kStart), "\0\3\0\1x"s) << value;
  }
}

// RFC 2349: the size is told, the timeout echoed.
TEST(TftpTransferTest, TellsSizeAndKeepsTheClientsTimeout) {
  TftpTransfer transfer =
      Transfer(std::string(700, 'x'),
               {{"tsize", "0"}, {"timeout", "3"}, {"windowsize", "4"}});
  EXPECT_EQ(transfer.Begin(kStart), "\0\6tsize\000700\0timeout\0003\0"s);
  EXPECT_EQ(transfer.deadline(), kStart + absl::Seconds(3));
  MonoTime now = transfer.deadline();
  EXPECT_TRUE(transfer.OnDeadline(now).has_value());
  EXPECT_EQ(transfer.deadline(), now + absl::Seconds(3));
}

TEST(TftpTransferTest, OptionAckIsAcknowledgedByBlockZero) {
  TftpTransfer transfer = Transfer("abc", {{"tsize", "0"}});
  transfer.Begin(kStart);
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(1)), kStart), std::nullopt);
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(0)), kStart), "\0\3\0\1abc"s);
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(0)), kStart), std::nullopt);
}

TEST(TftpTransferTest, SendsAgainWithLongerAndLongerWaitsAndGivesUp) {
  TftpTransfer transfer = Transfer("abc");
  const std::string first = transfer.Begin(kStart);
  MonoTime now = kStart;
  for (const int wait : {1, 2, 4, 8}) {
    EXPECT_EQ(transfer.deadline(), now + absl::Seconds(wait));
    EXPECT_EQ(transfer.OnDeadline(transfer.deadline() - absl::Milliseconds(1)),
              std::nullopt);
    now = transfer.deadline();
    EXPECT_EQ(transfer.OnDeadline(now), first);
  }
  EXPECT_EQ(transfer.OnDeadline(transfer.deadline()), std::nullopt);
  EXPECT_EQ(transfer.outcome(), TftpOutcome::kTimedOut);
}

// RFC 1123 section 4.2.3.1, the sorcerer's apprentice.
TEST(TftpTransferTest, DoesNotAnswerARepeatedAck) {
  TftpTransfer transfer = Transfer(std::string(2000, 'x'));
  transfer.Begin(kStart);
  EXPECT_TRUE(transfer.OnPacket(AsBytes(Ack(1)), kStart).has_value());
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(1)), kStart), std::nullopt);
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(9)), kStart), std::nullopt);
  EXPECT_EQ(transfer.OnPacket(AsBytes("\0\4"s), kStart), std::nullopt);
  EXPECT_TRUE(transfer.OnPacket(AsBytes(Ack(2)), kStart).has_value());
}

TEST(TftpTransferTest, ARepeatedRequestIsAnsweredWhileNothingWasSeen) {
  TftpLimits limits;
  limits.max_sends = 3;
  TftpTransfer transfer = Transfer(std::string(600, 'x'), {}, limits);
  const std::string first = transfer.Begin(kStart);
  EXPECT_EQ(transfer.OnRepeatedRequest(), first);
  EXPECT_EQ(transfer.OnRepeatedRequest(), first);
  EXPECT_EQ(transfer.OnRepeatedRequest(), std::nullopt) << "it may be forged";
  EXPECT_TRUE(transfer.OnPacket(AsBytes(Ack(1)), kStart).has_value());
  EXPECT_EQ(transfer.OnRepeatedRequest(), std::nullopt);
}

TEST(TftpTransferTest, AnErrorEndsIt) {
  TftpTransfer transfer = Transfer("abc");
  transfer.Begin(kStart);
  EXPECT_EQ(transfer.OnPacket(AsBytes("\0\5\0\3full\0"s), kStart),
            std::nullopt);
  EXPECT_EQ(transfer.outcome(), TftpOutcome::kAborted);
  EXPECT_EQ(transfer.OnPacket(AsBytes(Ack(1)), kStart), std::nullopt);
}

TEST(TftpTransferTest, BlockNumbersBeginAgain) {
  const std::string content(8 * 65536 + 3, 'y');
  TftpTransfer transfer = Transfer(content, {{"blksize", "8"}});
  EXPECT_EQ(Fetch(transfer, 8), content);
  EXPECT_EQ(transfer.outcome(), TftpOutcome::kSent);
}

}  // namespace
}  // namespace sallyport::capf
