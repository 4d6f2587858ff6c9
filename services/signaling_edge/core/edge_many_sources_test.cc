// A million sources that have proven nothing cost the edge no memory, and each
// as little time as the first (issue 5, capability 9).
#include <malloc.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/source_watch.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kSources = 1'000'000;

SocketAddress Source(uint32_t n) {
  const std::array<uint8_t, 4> ip = {10, static_cast<uint8_t>(n >> 16),
                                     static_cast<uint8_t>(n >> 8),
                                     static_cast<uint8_t>(n)};
  return *SocketAddress::FromBytes(ip, 5060);
}

size_t Held() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::string Wire(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out + "\r\n\r\n";
}

std::shared_ptr<LoopShare> Share() {
  static FakeRandom random;
  return std::make_shared<LoopShare>(EdgeHarness::Options(), random);
}

EdgeOptions Options(std::shared_ptr<LoopShare> share) {
  EdgeOptions options = EdgeHarness::Options();
  options.share = std::move(share);
  return options;
}

class EdgeManySourcesTest : public EdgeCoreTest {
 protected:
  // One source in so many says something to the core; the others only go
  // through the tables in which a message is judged before it is read.
  static constexpr uint32_t kSpeaks = 40;

  EdgeManySourcesTest() : EdgeManySourcesTest(Share()) {}
  explicit EdgeManySourcesTest(std::shared_ptr<LoopShare> share)
      : EdgeCoreTest(Options(share)), share_(std::move(share)) {
    for (const char* const method : {"OPTIONS", "REGISTER", "INVITE"}) {
      texts_.push_back(
          Wire(Cat(method,
                   " sip:95551234@d.test SIP/2.0\nVia: SIP/2.0/UDP "
                   "10.0.0.1:5060;branch=z9hG4bKm\nMax-Forwards: 70\n"
                   "From: <sip:bob@d.test>;tag=m\nTo: <sip:bob@d.test>\n"
                   "Call-ID: m\nCSeq: 1 ",
                   method, "\nContact: <sip:bob@10.0.0.1>")));
    }
    texts_.push_back("not SIP at all\r\n\r\n");
  }

  // What the sources from `first` to `end` say.
  void Speak(uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; ++i) {
      now_ += absl::Microseconds(20);
      const SocketAddress source = Source(i);
      if (i % kSpeaks == 0) {
        edge_.core().OnDatagram(EdgeHarness::kUdp, source,
                                texts_[i / kSpeaks % texts_.size()], now_);
        continue;
      }
      EXPECT_TRUE(share_->admission().OnMessage(source, false, now_).ok());
      EXPECT_EQ(share_->watch().OnUnproven(source, "bob", false, now_),
                Suspicion::kNone);
    }
  }

  const std::shared_ptr<LoopShare> share_;
  std::vector<std::string> texts_;
  MonoTime now_ = edge_.now();
};

TEST_F(EdgeManySourcesTest, MemoryIsBounded) {
  Speak(0, kSources / 10);
  const size_t before = Held();
  Speak(kSources / 10, kSources);
  EXPECT_LT(Held(), before + (size_t{1} << 18));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  EXPECT_EQ(edge_.core().connections().size(), 0u);
  const EdgeCore::Stats& stats = edge_.core().stats();
  EXPECT_EQ(stats.malformed, kSources / kSpeaks / 4);
  EXPECT_EQ(stats.challenges, kSources / kSpeaks / 2);
  // Who has proven something is not forgotten for all of them.
  share_->watch().OnProven(*SocketAddress::FromIp("192.0.2.77", 5060), "bob",
                           now_);
  Speak(0, kSources / 4);
  EXPECT_TRUE(share_->watch().HasProven(
      *SocketAddress::FromIp("192.0.2.77", 5060), now_));
}

}  // namespace
}  // namespace sallyport::signaling_edge
