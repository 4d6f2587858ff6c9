#include "services/signaling_edge/load/call_load.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/signaling_edge/load/channel.h"
#include "services/signaling_edge/load/flood_load.h"
#include "services/signaling_edge/load/message.h"

namespace sallyport::signaling_edge {
namespace {

constexpr double kGiveUp = 8;  // seconds

std::string Sdp(const SocketAddress& at) {
  const std::string ip = at.IpText();
  return absl::StrCat("v=0\r\no=load 1 1 IN IP4 ", ip, "\r\ns=-\r\nc=IN IP4 ",
                      ip, "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n",
                      "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
                      "a=rtpmap:101 telephone-event/8000\r\n"
                      "a=fmtp:101 0-15\r\na=ptime:20\r\n");
}

// Both ends of all calls. Thread-compatible.
class Calls {
 public:
  explicit Calls(const LoadSettings& settings)
      : settings_(settings),
        via_(absl::StrCat(settings.transport == "tls"   ? "TLS "
                          : settings.transport == "tcp" ? "TCP "
                                                        : "UDP ",
                          settings.sources[0].ToString())),
        parameter_(settings.transport == "udp"
                       ? ""
                       : ";transport=" + settings.transport),
        caller_sdp_(Sdp(settings.sources[0])),
        called_sdp_(Sdp(settings.called)),
        poller_([this](Channel& channel, std::string_view message) {
          OnMessage(channel, message);
        }) {
    if (settings.transport == "tls") {
      tls_ = TlsOf(settings.certificate_file, settings.key_file);
      called_tls_ =
          TlsOf(settings.called_certificate_file, settings.called_key_file);
    }
    if (settings.transport == "udp") {
      caller_ = &poller_.Add(OpenUdp(settings.sources[0], settings.target));
      poller_.Add(OpenUdp(settings.called, settings.target));
      is_ready_ = true;
      return;
    }
    poller_.Accept(ListenTcp(settings.called), called_tls_.get());
    const SocketAddress any = settings.sources[0].WithPort(0);
    caller_ = &poller_.Add(Dial(any, settings.target, tls_.get()));
    poller_.on_ready = [this](Channel& channel) {
      if (&channel == caller_) is_ready_ = true;
    };
    poller_.on_end = [this](Channel& channel) {
      if (&channel == caller_)
        Fail("the server closed the caller's connection");
    };
  }

  bool is_ready() const { return is_ready_; }
  uint64_t done() const { return done_; }
  uint64_t failed() const { return failed_; }
  size_t open() const { return open_; }
  std::vector<double>& delays() { return delays_; }
  void Turn(absl::Duration max_wait) {
    poller_.Turn(settings_.busy_poll ? absl::ZeroDuration() : max_wait);
  }

  void Begin() {
    const auto number = static_cast<uint32_t>(calls_.size() + gone_);
    Call& call = calls_.emplace_back();
    call.began = Seconds();
    ++open_;
    caller_->Send(Request(number, "INVITE", 1, Uri(number), "", "", true));
  }

  // Calls that got no end in time have failed.
  void GiveUp() {
    const double oldest = Seconds() - kGiveUp;
    while (!calls_.empty() &&
           (calls_.front().over || calls_.front().began < oldest)) {
      if (!calls_.front().over) {
        --open_;
        ++failed_;
      }
      calls_.pop_front();
      ++gone_;
    }
  }

 private:
  struct Call {
    double began = 0;
    bool arrived = false;
    bool answered = false;
    bool over = false;
  };

  std::string Uri(uint32_t number) const {
    return absl::StrCat("sip:", settings_.prefix, Digits(number), "@",
                        settings_.target.ToString(), parameter_);
  }

  std::string Request(uint32_t number, std::string_view method, int cseq,
                      std::string_view uri, std::string_view routes,
                      std::string_view to_tag, bool sdp) const {
    const std::string digits = Digits(number);
    std::string out = absl::StrCat(
        std::string(method), " ", std::string(uri), " SIP/2.0\r\nVia: SIP/2.0/",
        via_, ";branch=z9hG4bK", settings_.salt, "-", digits,
        std::string(method), ";rport\r\n", std::string(routes),
        "Max-Forwards: 70\r\nFrom: <sip:1000@", settings_.sources[0].IpText(),
        ">;tag=c", digits, "\r\nTo: <", Uri(number), ">");
    if (!to_tag.empty()) absl::StrAppend(&out, ";tag=", std::string(to_tag));
    absl::StrAppend(&out, "\r\nCall-ID: ", digits, "@", settings_.salt,
                    "\r\nCSeq: ", cseq, " ", std::string(method),
                    "\r\nContact: <sip:1000@", settings_.sources[0].ToString(),
                    parameter_, ">\r\n");
    if (!sdp) return out + "Content-Length: 0\r\n\r\n";
    absl::StrAppend(&out, "Content-Type: application/sdp\r\nContent-Length: ",
                    caller_sdp_.size(), "\r\n\r\n", caller_sdp_);
    return out;
  }

  Call* Find(uint32_t number) {
    return number < gone_ || number - gone_ >= calls_.size()
               ? nullptr
               : &calls_[number - gone_];
  }

  void OnMessage(Channel& channel, std::string_view message) {
    const int code = CodeOf(message);
    if (code == 0) {
      OnCalled(channel, message);
    } else if (code >= 200 && &channel == caller_) {
      OnResponse(message, code);
    }
  }

  // The called side keeps nothing: what comes again is answered again.
  void OnCalled(Channel& channel, std::string_view request) {
    if (request.starts_with("INVITE ")) {
      if (Call* const call = Find(NumberIn(request.substr(0, 80)));
          call != nullptr && !call->arrived) {
        call->arrived = true;
        delays_.push_back(Seconds() - call->began);
      }
      const std::string contact =
          absl::StrCat("Contact: <sip:called@", settings_.called.ToString(),
                       parameter_, ">\r\n");
      channel.Send(ResponseTo(request, "180 Ringing", "called", contact, ""));
      channel.Send(ResponseTo(request, "200 OK", "called",
                              contact + "Content-Type: application/sdp\r\n",
                              called_sdp_));
    } else if (request.starts_with("BYE ") || request.starts_with("OPTIONS ")) {
      channel.Send(ResponseTo(request, "200 OK", "called", "", ""));
    }
  }

  void OnResponse(std::string_view response, int code) {
    const uint32_t number = NumberIn(Field(response, "Call-ID"));
    Call* const call = Find(number);
    if (call == nullptr || call->over) return;
    const bool invite = Field(response, "CSeq").ends_with("INVITE");
    const std::string_view tag = Between(Field(response, "To"), ";tag=", ";>");
    if (invite && code < 300) {
      std::string routes;
      const std::string recorded = Lines(response, "Record-Route");
      std::string_view rest = recorded;  // in reverse, section 12.1.2
      while (!rest.empty()) {
        const size_t end = rest.find("\r\n");
        routes.insert(
            0, absl::StrCat("Route: ", std::string(rest.substr(14, end - 14)),
                            "\r\n"));
        rest.remove_prefix(end + 2);
      }
      const std::string uri(Between(Field(response, "Contact"), "<", ">"));
      caller_->Send(Request(number, "ACK", 1, uri, routes, tag, false));
      if (!call->answered) {
        caller_->Send(Request(number, "BYE", 2, uri, routes, tag, false));
      }
      call->answered = true;
      return;
    }
    if (invite) {
      std::string ack = Request(number, "ACK", 1, Uri(number), "", tag, false);
      ack.replace(ack.find(Digits(number) + "ACK"), 11,
                  Digits(number) + "INVITE");
      caller_->Send(ack);
      if (last_refusal_ != code) {
        std::fprintf(stderr, "sip_load: a call was refused: %d\n", code);
      }
      last_refusal_ = code;
    }
    call->over = true;
    --open_;
    if (!invite && code == 200) {
      ++done_;
    } else {
      ++failed_;
    }
  }

  const LoadSettings& settings_;
  const std::string via_;
  const std::string parameter_;
  const std::string caller_sdp_;
  const std::string called_sdp_;
  bssl::UniquePtr<SSL_CTX> tls_;
  bssl::UniquePtr<SSL_CTX> called_tls_;
  Poller poller_;
  Channel* caller_ = nullptr;
  bool is_ready_ = false;
  std::deque<Call> calls_;
  uint32_t gone_ = 0;
  size_t open_ = 0;
  uint64_t done_ = 0;
  uint64_t failed_ = 0;
  int last_refusal_ = 0;
  std::vector<double> delays_;
};

}  // namespace

LoadResult LoadCalls(const LoadSettings& settings) {
  Calls calls(settings);
  const ServerTime server(settings.pids);
  double end = Seconds() + 5;
  while (!calls.is_ready()) {
    calls.Turn(absl::Milliseconds(20));
    if (Seconds() > end) Fail("no connection for the caller");
  }
  std::vector<double> late;  // how much after its time each call began
  const auto run = [&](double seconds) {
    const double start = Seconds();
    uint64_t begun = 0;
    const auto due = [&](uint64_t call) {
      return start + static_cast<double>(call) / settings.rate;
    };
    while (Seconds() < start + seconds) {
      if (settings.rate > 0) {
        const double now = Seconds();
        for (; due(begun) <= now; ++begun) {
          late.push_back(now - due(begun));
          calls.Begin();
        }
        // Asleep until the next is due, unless it has a core of its own: a
        // load that spins is what the scheduler makes wait for others, and
        // then it measures itself.
        calls.Turn(absl::Seconds(std::max(0.0, due(begun) - Seconds())));
      } else {
        while (calls.open() < static_cast<size_t>(settings.window)) {
          calls.Begin();
        }
        calls.Turn(absl::Milliseconds(5));
      }
      calls.GiveUp();
    }
  };
  run(settings.warm_up);
  std::atomic<bool> stop = false;
  FloodResult messages;
  FloodResult handshakes;
  std::vector<std::thread> flooders;
  const double flood_from = Seconds();
  if (settings.flood > 0) {
    flooders.emplace_back([&] { SendFlood(settings, stop, messages); });
  }
  if (settings.flood_handshakes > 0) {
    flooders.emplace_back([&] { BeginHandshakes(settings, stop, handshakes); });
  }
  if (!flooders.empty()) run(1);
  calls.delays().clear();
  late.clear();
  const uint64_t done = calls.done();
  const uint64_t failed = calls.failed();
  const ServerTime::Sample from = server.Now();
  run(settings.seconds);
  const ServerTime::Sample to = server.Now();
  LoadResult out;
  AddRates(from, to, static_cast<double>(calls.done() - done), out);
  stop = true;
  for (std::thread& flooder : flooders) flooder.join();
  const double flood_seconds = Seconds() - flood_from;
  // What is still open has to end as well.
  end = Seconds() + kGiveUp + 1;
  while (calls.open() > 0 && Seconds() < end) {
    calls.Turn(absl::Milliseconds(5));
    calls.GiveUp();
  }
  out["failed"] = static_cast<double>(calls.failed() - failed);
  out["p50_ms"] = Percentile(calls.delays(), 0.5) * 1e3;
  out["p99_ms"] = Percentile(calls.delays(), 0.99) * 1e3;
  if (!late.empty()) out["late_p99_ms"] = Percentile(late, 0.99) * 1e3;
  if (!flooders.empty()) {
    messages.handshakes = handshakes.handshakes;
    messages.handshakes_answered = handshakes.handshakes_answered;
    AddFlood(messages, flood_seconds, out);
  }
  return out;
}

}  // namespace sallyport::signaling_edge
