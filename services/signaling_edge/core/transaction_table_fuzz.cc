// Octets as a story: requests, responses, answers and time, in any order. The
// table never looks back in time, never passes its cap, repeats for a bounded
// time, and empties itself but for what its users have left unanswered.

#include "services/signaling_edge/core/transaction_table.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/signaling_edge/core/sip_writer.h"

namespace {

namespace edge = ::sallyport::signaling_edge;
using ::sallyport::MonoTime;

constexpr size_t kMaxTransactions = 20;

void Check(bool holds) {
  if (!holds) std::abort();
}

// Two bits choose the method, three the branch, one the CSeq.
edge::SipMessage MakeRequest(uint8_t bits) {
  constexpr edge::SipMethod kMethods[] = {
      edge::SipMethod::kInvite, edge::SipMethod::kAck, edge::SipMethod::kCancel,
      edge::SipMethod::kOptions};
  constexpr std::string_view kVias[] = {"SIP/2.0/UDP a;branch=z9hG4bK0",
                                        "SIP/2.0/UDP a;branch=z9hG4bK1",
                                        "SIP/2.0/UDP b;branch=z9hG4bK0",
                                        "SIP/2.0/UDP a;branch=z9hG4bK",
                                        "SIP/2.0/UDP a",
                                        "SIP/2.0/TLS a;branch=z9hG4bK0",
                                        "SIP/2.0/UDP a;branch=z9hG4bK2",
                                        "SIP/2.0/UDP a;branch=z9hG4bK3"};
  const edge::SipMethod method = kMethods[bits & 3];
  edge::SipMessage request = edge::SipMessage::Request(method, "sip:b");
  request.Add(edge::HeaderId::kVia, kVias[(bits >> 2) & 7]);
  request.Add(edge::HeaderId::kFrom, "<sip:a>;tag=f");
  request.Add(edge::HeaderId::kTo,
              (bits & 0x40) != 0 ? "<sip:b>;tag=t" : "<sip:b>");
  request.Add(edge::HeaderId::kCallId, "c");
  std::string cseq = (bits & 0x20) != 0 ? "1 " : "2 ";
  cseq.append(edge::MethodName(method));
  request.Add(edge::HeaderId::kCseq, cseq);
  return request;
}

class Story {
 public:
  void Step(uint8_t what, uint8_t bits) {
    const edge::PeerScope scope = (what >> 3) & 1;
    const bool reliable = (what & 0x10) != 0;
    const int code = 100 + 100 * ((what >> 5) % 6);
    switch (what & 7) {
      case 0:
      case 1: {
        const edge::SipMessage request = MakeRequest(bits);
        const edge::RequestOutcome outcome =
            table_.OnRequest(request, scope, reliable, now_);
        if (outcome.kind == edge::RequestOutcome::Kind::kNew) {
          Check(outcome.id != 0 && outcome.actions.empty());
          waiting_.push_back({outcome.id, request});
        }
        break;
      }
      case 2:
        table_.OnResponse(edge::MakeResponse(MakeRequest(bits), code, "", "t"),
                          scope, now_);
        break;
      case 3: {
        const auto sent = table_.Send(
            std::make_shared<const edge::SipMessage>(MakeRequest(bits)), scope,
            reliable, now_);
        if (sent.ok()) Check(sent->actions.size() == 1);
        break;
      }
      case 4:
        if (waiting_.empty()) break;
        Answer(waiting_[bits % waiting_.size()], code);
        break;
      case 5:
        table_.OnTransportError(bits);
        break;
      default:
        Advance(absl::Milliseconds(40) * bits);
        break;
    }
    Check(table_.size() <= kMaxTransactions);
    Check(table_.deadline() >= now_ || what % 8 >= 6);
  }

  void End() {
    for (const Waiting& waiting : waiting_) Answer(waiting, 500);
    Advance(absl::Seconds(200));
    // Left are INVITEs of ours that ring: their users would cancel them.
    Check(table_.deadline() == MonoTime::InfiniteFuture());
  }

 private:
  struct Waiting {
    edge::TransactionId id;
    edge::SipMessage request;
  };

  void Answer(const Waiting& waiting, int code) {
    table_.Respond(waiting.id,
                   edge::MakeResponse(waiting.request, code, "", "t"), now_);
  }

  void Advance(absl::Duration by) {
    const MonoTime end = now_ + by;
    int turns = 0;
    while (table_.deadline() <= end) {
      if (table_.deadline() > now_) now_ = table_.deadline();
      const size_t before = table_.size();
      Check(table_.OnDeadline(now_).id != 0);
      Check(table_.size() <= before);
      // 64*T1 holds eleven sendings at most of each, and its end.
      Check(++turns <= static_cast<int>(kMaxTransactions) * 16);
    }
    now_ = end;
  }

  static edge::TransactionTable::Options Options() {
    edge::TransactionTable::Options options;
    options.max_transactions = kMaxTransactions;
    return options;
  }

  edge::TransactionTable table_{Options()};
  std::vector<Waiting> waiting_;
  MonoTime now_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 512) size = 512;
  Story story;
  for (size_t i = 0; i + 1 < size; i += 2) story.Step(data[i], data[i + 1]);
  story.End();
  return 0;
}
