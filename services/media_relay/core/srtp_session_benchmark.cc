// SRTP protect and unprotect of one 172-byte RTP packet, by suite.

#include "services/media_relay/core/srtp_session.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/foreseen_tags.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/tag_batch.h"

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

// A batch of one packet each of 64 streams, as the loop hands them on, and the
// time of one: with tags together, and one by one.
constexpr size_t kStreams = kMaxBatch;

struct Batch {
  explicit Batch(SrtpSuite suite, SrtpSession::Direction direction) {
    for (size_t i = 0; i < kStreams; ++i) {
      sessions.push_back(Make(suite, direction));
      buffers.emplace_back(172 + kPacketTailroom);
    }
    packets.resize(kStreams);
  }
  std::vector<std::unique_ptr<SrtpSession>> sessions;
  std::vector<std::vector<uint8_t>> buffers;
  std::vector<Packet> packets;
};

void BM_ProtectBatch(benchmark::State& state) {
  const SrtpSuite suite = static_cast<SrtpSuite>(state.range(0));
  Batch batch(suite, SrtpSession::Direction::kProtect);
  TagBatch tags;
  uint16_t sequence = 0;
  size_t failed = 0;
  while (state.KeepRunningBatch(kStreams)) {
    ++sequence;
    for (size_t i = 0; i < kStreams; ++i) {
      Fill(batch.buffers[i], sequence, batch.packets[i]);
      if (state.range(1) != 0) batch.packets[i].tags = &tags;
      failed +=
          batch.sessions[i]->ProtectRtp(batch.packets[i]) != SrtpResult::kOk;
    }
    tags.Finish();
  }
  if (failed != 0) state.SkipWithError("failed");
  state.SetLabel(std::string(InfoOf(suite).name));
}
BENCHMARK(BM_ProtectBatch)->ArgsProduct({{0, 3}, {0, 1}});

// Packets that were made beforehand, with sessions that begin anew whenever
// they are used up.
void BM_UnprotectBatch(benchmark::State& state) {
  const SrtpSuite suite = static_cast<SrtpSuite>(state.range(0));
  constexpr uint16_t kRounds = 1000;
  auto protect = Make(suite, SrtpSession::Direction::kProtect);
  std::vector<std::vector<uint8_t>> made;
  for (uint16_t sequence = 0; sequence < kRounds; ++sequence) {
    std::vector<uint8_t>& buffer = made.emplace_back(172 + kPacketTailroom);
    Packet packet;
    Fill(buffer, sequence, packet);
    if (protect->ProtectRtp(packet) != SrtpResult::kOk) {
      state.SkipWithError("failed");
    }
    buffer.resize(packet.size);
  }
  Batch batch(suite, SrtpSession::Direction::kUnprotect);
  ForeseenTags tags;
  uint16_t sequence = 0;
  size_t failed = 0;
  while (state.KeepRunningBatch(kStreams)) {
    if (sequence == kRounds) {
      state.PauseTiming();
      batch = Batch(suite, SrtpSession::Direction::kUnprotect);
      sequence = 0;
      state.ResumeTiming();
    }
    const std::vector<uint8_t>& from = made[sequence++];
    for (size_t i = 0; i < kStreams; ++i) {
      std::memcpy(batch.buffers[i].data(), from.data(), from.size());
      batch.packets[i] = {batch.buffers[i].data(), from.size(), 0, 100};
    }
    for (size_t i = 0; i < kStreams && state.range(1) != 0; ++i) {
      tags.Add(batch.packets[i], [&](HmacSha1Job& job) {
        return batch.sessions[i]->ForeseeRtp(batch.packets[i], job);
      });
    }
    tags.Compute();
    for (size_t i = 0; i < kStreams; ++i) {
      failed +=
          batch.sessions[i]->UnprotectRtp(batch.packets[i]) != SrtpResult::kOk;
    }
    tags.Clear();
  }
  if (failed != 0) state.SkipWithError("failed");
  state.SetLabel(std::string(InfoOf(suite).name));
}
BENCHMARK(BM_UnprotectBatch)->ArgsProduct({{0, 3}, {0, 1}});

// The HMAC alone, of 64 packets, by way; of one.
void BM_HmacSha1(benchmark::State& state) {
  const HmacSha1Way way = static_cast<HmacSha1Way>(state.range(0));
  if (!CanCompute(way)) {
    state.SkipWithError("not on this processor");
    return;
  }
  const std::vector<uint8_t> packet(172, 'v');
  const HmacSha1Key key = HmacSha1Key::Of(packet);
  std::vector<HmacSha1Job> jobs(
      kStreams, HmacSha1Job{key, packet.data(), packet.size(), 0, {}});
  while (state.KeepRunningBatch(kStreams)) {
    ComputeHmacSha1(absl::MakeSpan(jobs), way);
  }
}
BENCHMARK(BM_HmacSha1)->DenseRange(0, 2);

}  // namespace
}  // namespace sallyport::media_relay
