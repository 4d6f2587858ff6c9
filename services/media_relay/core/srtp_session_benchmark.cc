// SRTP protect and unprotect of one 172-byte RTP packet, by suite.

#include "services/media_relay/core/srtp_session.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

std::unique_ptr<SrtpSession> Make(SrtpSuite suite,
                                  SrtpSession::Direction direction) {
  const std::string key(KeySaltSize(suite), 'k');
  return SrtpSession::Create(Library(), suite, AsBytes(key), {}, direction)
      .value();
}

void Fill(std::vector<uint8_t>& buffer, uint16_t sequence, Packet& packet) {
  std::memset(buffer.data(), 'v', 172);
  buffer[0] = 0x80;
  buffer[1] = 0;
  buffer[2] = static_cast<uint8_t>(sequence >> 8);
  buffer[3] = static_cast<uint8_t>(sequence);
  packet = Packet{buffer.data(), 172, 0, kPacketTailroom};
}

void BM_Protect(benchmark::State& state) {
  const SrtpSuite suite = static_cast<SrtpSuite>(state.range(0));
  auto session = Make(suite, SrtpSession::Direction::kProtect);
  std::vector<uint8_t> buffer(172 + kPacketTailroom);
  Packet packet;
  uint16_t sequence = 0;
  for (auto _ : state) {
    Fill(buffer, sequence++, packet);
    if (session->ProtectRtp(packet) != SrtpResult::kOk) {
      state.SkipWithError("failed");
    }
  }
  state.SetLabel(std::string(InfoOf(suite).name));
}
BENCHMARK(BM_Protect)->DenseRange(0, 4);

void BM_ProtectThenUnprotect(benchmark::State& state) {
  const SrtpSuite suite = static_cast<SrtpSuite>(state.range(0));
  auto protect = Make(suite, SrtpSession::Direction::kProtect);
  auto unprotect = Make(suite, SrtpSession::Direction::kUnprotect);
  std::vector<uint8_t> buffer(172 + kPacketTailroom);
  Packet packet;
  uint16_t sequence = 0;
  for (auto _ : state) {
    Fill(buffer, sequence++, packet);
    if (protect->ProtectRtp(packet) != SrtpResult::kOk ||
        unprotect->UnprotectRtp(packet) != SrtpResult::kOk) {
      state.SkipWithError("failed");
    }
  }
  state.SetLabel(std::string(InfoOf(suite).name));
}
BENCHMARK(BM_ProtectThenUnprotect)->DenseRange(0, 4);

}  // namespace
}  // namespace sallyport::media_relay
