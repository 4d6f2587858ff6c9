#include "services/signaling_edge/load/request_load.h"

#include <openssl/sha.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/bytes/hex.h"
#include "services/signaling_edge/load/channel.h"
#include "services/signaling_edge/load/message.h"

namespace sallyport::signaling_edge {
namespace {

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}

// Up to and with CSeq. `number` makes branch, tag and Call-ID its own.
std::string Head(std::string_view method, const std::string& uri,
                 const LoadSettings& settings, const std::string& unique,
                 const std::string& from, const std::string& to, int cseq) {
  return absl::StrCat(
      std::string(method), " ", uri, " SIP/2.0\r\nVia: SIP/2.0/",
      Upper(settings.transport), " ", settings.sources[0].IpText(),
      ":5066;branch=z9hG4bK", settings.salt, unique, "-", cseq, ";rport\r\n",
      "Max-Forwards: 70\r\nFrom: <", from, ">;tag=", unique, "\r\nTo: <", to,
      ">\r\nCall-ID: ", unique, "@", settings.salt, "\r\nCSeq: ", cseq, " ",
      std::string(method), "\r\nContact: <sip:load@",
      settings.sources[0].IpText(), ":5066>\r\n");
}

std::string OptionsRequest(const LoadSettings& settings, int thread,
                           uint32_t number) {
  const std::string uri = "sip:ping@" + settings.target.IpText();
  return absl::StrCat(
      Head("OPTIONS", uri, settings, absl::StrCat(thread, "x", Digits(number)),
           "sip:load@load.test", uri, 1),
      "Accept: application/sdp\r\nUser-Agent: sip_load\r\n"
      "Content-Length: 0\r\n\r\n");
}

std::string Sha256(std::string_view text) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return HexEncode({digest, sizeof(digest)});
}

std::string Register(const LoadSettings& settings, int thread, uint32_t number,
                     std::string_view challenge) {
  const std::string user =
      "u" + Digits(number % static_cast<uint32_t>(settings.users));
  const std::string& domain = settings.domain;
  const std::string uri = "sip:" + domain;
  const std::string me = absl::StrCat("sip:", user, "@", domain);
  std::string out =
      Head("REGISTER", uri, settings, absl::StrCat(thread, "r", Digits(number)),
           me, me, challenge.empty() ? 1 : 2);
  out += "Expires: 600\r\n";
  if (!challenge.empty()) {
    const std::string nonce(Between(challenge, "nonce=\"", "\""));
    const std::string realm(Between(challenge, "realm=\"", "\""));
    const std::string ha1 =
        Sha256(absl::StrCat(user, ":", realm, ":", settings.password));
    const std::string ha2 = Sha256("REGISTER:" + uri);
    const std::string response =
        Sha256(absl::StrCat(ha1, ":", nonce, ":00000001:abcdef:auth:", ha2));
    absl::StrAppend(&out, "Authorization: Digest username=\"", user,
                    "\", realm=\"", realm, "\", nonce=\"", nonce, "\", uri=\"",
                    uri, "\", response=\"", response,
                    "\", algorithm=SHA-256, cnonce=\"abcdef\", qop=auth, "
                    "nc=00000001\r\n");
  }
  return out + "Content-Length: 0\r\n\r\n";
}

// One thread's: counts finished things.
struct Lane {
  int number = 0;
  std::atomic<uint64_t> done = 0;
  std::atomic<uint64_t> failed = 0;
};

// Runs `work` on every thread until told to stop, and measures in between.
LoadResult Drive(
    const LoadSettings& settings,
    const std::function<void(Lane&, const std::atomic<bool>&)>& work) {
  std::atomic<bool> stop = false;
  std::vector<Lane> lanes(static_cast<size_t>(settings.threads));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < lanes.size(); ++i) {
    lanes[i].number = static_cast<int>(i);
    threads.emplace_back([&, i] { work(lanes[i], stop); });
  }
  const auto total = [&](auto member) {
    uint64_t sum = 0;
    for (const Lane& lane : lanes) sum += (lane.*member).load();
    return static_cast<double>(sum);
  };
  const ServerTime server(settings.pids);
  const auto sleep = [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  };
  sleep(settings.warm_up);
  const double before = total(&Lane::done);
  const double failed = total(&Lane::failed);
  const ServerTime::Sample from = server.Now();
  sleep(settings.seconds);
  const ServerTime::Sample to = server.Now();
  LoadResult out;
  AddRates(from, to, total(&Lane::done) - before, out);
  out["failed"] = total(&Lane::failed) - failed;
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return out;
}

std::unique_ptr<Channel> Open(const LoadSettings& settings, size_t i,
                              SSL_CTX* tls) {
  const SocketAddress& from = settings.sources[i % settings.sources.size()];
  return settings.transport == "udp" ? OpenUdp(from, settings.target)
                                     : Dial(from, settings.target, tls);
}

bssl::UniquePtr<SSL_CTX> TlsFor(const LoadSettings& settings) {
  if (settings.transport != "tls") return nullptr;
  return TlsOf(settings.certificate_file, settings.key_file);
}

// Keeps `window` requests of one kind open on connections that stay.
void KeepOpen(const LoadSettings& settings, Lane& lane,
              const std::atomic<bool>& stop,
              const std::function<std::string()>& first,
              const std::function<std::string(std::string_view)>& next) {
  const int each =
      std::max(1, settings.window / (settings.threads * settings.connections));
  const auto tls = TlsFor(settings);
  double last = Seconds();
  Poller poller([&](Channel& channel, std::string_view message) {
    last = Seconds();
    const std::string more = next(message);
    if (!more.empty()) channel.Send(more);
  });
  std::vector<Channel*> channels;
  poller.on_ready = [&](Channel& channel) {
    channels.push_back(&channel);
    for (int i = 0; i < each; ++i) channel.Send(first());
  };
  poller.on_end = [](Channel&) { Fail("the server closed a connection"); };
  for (int i = 0; i < settings.connections; ++i) {
    Channel& channel = poller.Add(Open(
        settings, static_cast<size_t>(lane.number * settings.connections + i),
        tls.get()));
    if (settings.transport == "udp") poller.on_ready(channel);
  }
  if (settings.transport == "udp") poller.on_ready = nullptr;
  while (!stop) {
    poller.Turn(absl::Milliseconds(20));
    if (settings.transport == "udp" && Seconds() - last > 0.5) {
      // Datagrams were lost: once more.
      lane.failed += static_cast<uint64_t>(each) * channels.size();
      for (Channel* const channel : channels) {
        for (int i = 0; i < each; ++i) channel->Send(first());
      }
      last = Seconds();
    }
  }
}

}  // namespace

LoadResult LoadOptions(const LoadSettings& settings) {
  return Drive(settings, [&](Lane& lane, const std::atomic<bool>& stop) {
    uint32_t number = 0;
    const auto request = [&] {
      return OptionsRequest(settings, lane.number, ++number % 100'000'000);
    };
    KeepOpen(settings, lane, stop, request, [&](std::string_view message) {
      if (CodeOf(message) == 200) {
        ++lane.done;
      } else {
        ++lane.failed;
      }
      return request();
    });
  });
}

LoadResult LoadRegister(const LoadSettings& settings) {
  return Drive(settings, [&](Lane& lane, const std::atomic<bool>& stop) {
    uint32_t number = 0;
    const auto request = [&] {
      return Register(settings, lane.number, ++number, {});
    };
    KeepOpen(settings, lane, stop, request, [&](std::string_view message) {
      const int code = CodeOf(message);
      if (code == 401) {
        const uint32_t which = NumberIn(Field(message, "Call-ID"));
        return Register(settings, lane.number, which,
                        Field(message, "WWW-Authenticate"));
      }
      if (code < 200) return std::string();
      if (code == 200) {
        ++lane.done;
      } else {
        ++lane.failed;
      }
      return request();
    });
  });
}

LoadResult LoadHandshakes(const LoadSettings& settings) {
  return Drive(settings, [&](Lane& lane, const std::atomic<bool>& stop) {
    const auto tls = TlsFor(settings);
    uint32_t number = 0;
    size_t dialled = 0;
    int open = 0;
    const int most = std::max(1, settings.window / settings.threads);
    std::vector<Channel*> over;
    Poller poller([&](Channel& channel, std::string_view message) {
      if (CodeOf(message) == 200) {
        ++lane.done;
      } else {
        ++lane.failed;
      }
      over.push_back(&channel);
    });
    poller.on_ready = [&](Channel& channel) {
      channel.Send(OptionsRequest(settings, lane.number, ++number));
    };
    poller.on_end = [&](Channel&) {
      ++lane.failed;
      --open;
    };
    while (!stop) {
      while (open < most) {
        auto channel = Open(settings, dialled++, tls.get());
        if (channel == nullptr) break;
        poller.Add(std::move(channel));
        ++open;
      }
      poller.Turn(absl::Milliseconds(20));
      for (Channel* const channel : over) {
        poller.Remove(*channel);
        --open;
      }
      over.clear();
    }
  });
}

LoadResult LoadIdle(const LoadSettings& settings) {
  const auto tls = TlsFor(settings);
  const ServerTime server(settings.pids);
  size_t answered = 0;
  size_t ended = 0;
  uint32_t number = 0;
  Poller poller([&](Channel&, std::string_view message) {
    if (CodeOf(message) == 200) ++answered;
  });
  poller.on_ready = [&](Channel& channel) {
    channel.Send(OptionsRequest(settings, 0, ++number));
  };
  poller.on_end = [&](Channel&) { ++ended; };
  const auto want = static_cast<size_t>(settings.window);
  size_t dialled = 0;
  // Some first, so that what is made once does not count.
  const size_t first = std::min<size_t>(want / 10, 500);
  double before = 0;
  const double end = Seconds() + 120;
  while (answered + ended < want && Seconds() < end) {
    while (dialled < want && dialled < answered + 64 &&
           (answered >= first ? before > 0 : dialled < first)) {
      auto channel = Open(settings, dialled++, tls.get());
      if (channel != nullptr) poller.Add(std::move(channel));
    }
    poller.Turn(absl::Milliseconds(20));
    if (answered == first && before == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      before = server.ResidentBytes();
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  const double after = server.ResidentBytes();
  if (ended > 0) Fail(absl::StrCat(ended, " connections were closed"));
  if (answered < want) Fail(absl::StrCat("only ", answered, " were answered"));
  LoadResult out;
  out["connections"] = static_cast<double>(answered);
  out["bytes"] = (after - before) / static_cast<double>(want - first);
  return out;
}

}  // namespace sallyport::signaling_edge
