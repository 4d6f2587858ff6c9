#include "services/signaling_edge/core/sip_writer.h"

#include <string>

#include "benchmark/benchmark.h"

namespace sallyport::signaling_edge {
namespace {

SipMessage Invite() {
  SipMessage invite = SipMessage::Request(
      SipMethod::kInvite, "sip:+12015550123@gw.example.com;transport=tls");
  invite.Add(HeaderId::kVia,
             "SIP/2.0/TLS edge.example.com;branch=z9hG4bK0123456789abcdef");
  invite.Add(HeaderId::kMaxForwards, "69");
  invite.Add(HeaderId::kFrom, "\"Alice\" <sip:alice@edge.example.com>;tag=1f");
  invite.Add(HeaderId::kTo, "<sip:+12015550123@gw.example.com>");
  invite.Add(HeaderId::kCallId, "0123456789abcdef0123456789abcdef");
  invite.Add(HeaderId::kCseq, "1 INVITE");
  invite.Add(HeaderId::kContact, "<sip:edge.example.com;transport=tls>");
  invite.Add(HeaderId::kAllow, "INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE");
  invite.Add(HeaderId::kSupported, "timer, replaces");
  invite.Add(HeaderId::kContentType, "application/sdp");
  invite.SetBody(std::string(400, 'x'));
  return invite;
}

void BM_WriteInvite(benchmark::State& state) {
  const SipMessage invite = Invite();
  for (auto _ : state) {
    benchmark::DoNotOptimize(WriteSipMessage(invite));
  }
}
BENCHMARK(BM_WriteInvite);

void BM_BuildAndWriteInvite(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(WriteSipMessage(Invite()));
  }
}
BENCHMARK(BM_BuildAndWriteInvite);

void BM_MakeResponse(benchmark::State& state) {
  const SipMessage invite = Invite();
  for (auto _ : state) {
    benchmark::DoNotOptimize(MakeResponse(invite, 180, "Ringing", "tag"));
  }
}
BENCHMARK(BM_MakeResponse);

}  // namespace
}  // namespace sallyport::signaling_edge
