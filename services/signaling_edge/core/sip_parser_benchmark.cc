// The goal (research: 9.7): parse and index an INVITE of 1.1 kB in 1.5 us.

#include "services/signaling_edge/core/sip_parser.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "benchmark/benchmark.h"
#include "services/signaling_edge/core/sip_framer.h"

static uint64_t allocations = 0;

__attribute__((noinline)) void* operator new(size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept {
  std::free(memory);
}
__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kHead =
    "INVITE sip:+12015550123@edge.example.com:5061;transport=tls SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 192.0.2.17:51234;branch=z9hG4bK-524287-1---a1b2c3d4e5f6"
    ";rport;alias\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:alice@192.0.2.17:51234;transport=tls>\r\n"
    "To: <sip:+12015550123@edge.example.com>\r\n"
    "From: \"Alice Liddell\" <sip:alice@edge.example.com>;tag=9f8e7d6c\r\n"
    "Call-ID: 3c26702eb1a4-nrm8ypbhzq1d@192.0.2.17\r\n"
    "CSeq: 2 INVITE\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, "
    "REFER, INFO, MESSAGE, UPDATE, PRACK\r\n"
    "Supported: replaces, timer, 100rel, norefersub\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Min-SE: 90\r\n"
    "User-Agent: Example Phone 8841/14.2.1\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: ";
constexpr std::string_view kBody =
    "v=0\r\n"
    "o=alice 1700000000 1700000000 IN IP4 192.0.2.17\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.17\r\n"
    "t=0 0\r\n"
    "m=audio 16384 RTP/SAVP 9 0 8 18 101\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
    "a=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\n"
    "a=ptime:20\r\n"
    "a=sendrecv\r\n"
    "a=rtcp:16385\r\n"
    "a=label:audio-of-the-main-device\r\n"
    "a=x-device:8841-0123456789ab\r\n";

std::string Invite() {
  std::string text(kHead);
  text.append(std::to_string(kBody.size())).append("\r\n\r\n");
  return text.append(kBody);
}

void BM_ParseInvite(benchmark::State& state) {
  const std::string invite = Invite();
  const ParsePolicy policy;
  ParseSipMessage(invite, policy).status().IgnoreError();
  const uint64_t before = allocations;
  for (auto _ : state) {
    auto message = ParseSipMessage(invite, policy);
    if (!message.ok()) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(message->header_count());
  }
  state.counters["allocations"] = static_cast<double>(allocations - before) /
                                  static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                          static_cast<int64_t>(invite.size()));
  state.SetLabel(std::to_string(invite.size()) + " octets");
}
BENCHMARK(BM_ParseInvite);

void BM_ParseRefused(benchmark::State& state) {
  std::string text = Invite();
  text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: x0");
  const ParsePolicy policy;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseSipMessage(text, policy).ok());
  }
}
BENCHMARK(BM_ParseRefused);

void BM_FrameInvite(benchmark::State& state) {
  const std::string invite = Invite();
  SipFramer framer(ParsePolicy{});
  for (auto _ : state) {
    framer.Append(invite);
    auto frame = framer.Next();
    if (!frame.ok() || !frame->has_value()) {
      state.SkipWithError("no frame");
      break;
    }
  }
}
BENCHMARK(BM_FrameInvite);

}  // namespace
}  // namespace sallyport::signaling_edge
