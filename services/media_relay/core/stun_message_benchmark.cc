// Parsing, verifying and classifying one client datagram.

#include "services/media_relay/core/stun_message.h"

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/packet_classifier.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

std::string Request(bool sha256) {
  uint8_t buffer[512];
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest, 0x003, {});
  writer.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  writer.AddText(stun_attribute::kUsername, std::string(80, 'u'));
  writer.AddText(stun_attribute::kRealm, "sallyport");
  writer.AddText(stun_attribute::kNonce, std::string(24, 'n'));
  const std::string key(16, 'k');
  if (sha256) {
    writer.AddIntegritySha256(AsBytes(key));
  } else {
    writer.AddIntegritySha1(AsBytes(key));
  }
  return ToString(writer.finished());
}

void BM_Parse(benchmark::State& state) {
  const std::string request = Request(false);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseStunMessage(AsBytes(request)));
  }
}
BENCHMARK(BM_Parse);

void BM_VerifyIntegrity(benchmark::State& state) {
  const std::string request = Request(state.range(0) == 256);
  const std::string key(16, 'k');
  const auto message = ParseStunMessage(AsBytes(request));
  for (auto _ : state) {
    benchmark::DoNotOptimize(VerifyIntegrity(*message, AsBytes(key)));
  }
}
BENCHMARK(BM_VerifyIntegrity)->Arg(1)->Arg(256);

void BM_ClassifyAndParseChannelData(benchmark::State& state) {
  std::string frame(176, 'v');
  frame[0] = 0x40;
  frame[1] = 0;
  frame[2] = 0;
  frame[3] = static_cast<char>(172);
  for (auto _ : state) {
    if (ClassifyPacket(AsBytes(frame)) == PacketKind::kChannelData) {
      benchmark::DoNotOptimize(ParseChannelData(AsBytes(frame)));
    }
  }
}
BENCHMARK(BM_ClassifyAndParseChannelData);

}  // namespace
}  // namespace sallyport::media_relay
