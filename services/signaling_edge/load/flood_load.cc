#include "services/signaling_edge/load/flood_load.h"

#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/signaling_edge/load/channel.h"
#include "services/signaling_edge/load/message.h"

namespace sallyport::signaling_edge {
namespace {

// Eight digits that make each message its own stand in this place.
constexpr std::string_view kNumber = "########";
// Messages in one system call, from one address.
constexpr size_t kBatch = 16;
// Handshakes that are open at once.
constexpr size_t kMostOpen = 4000;

// 127.1.0.0 and on: 1.2 million that no demo network is in.
in_addr SourceAddress(uint64_t index) {
  constexpr uint32_t kFirst = 0x7f01'0001;
  constexpr uint32_t kCount = 0x0012'0000;
  return {htonl(kFirst + static_cast<uint32_t>(index % kCount))};
}

std::string Request(std::string_view method, std::string_view user,
                    const LoadSettings& settings, std::string_view more,
                    std::string_view to_tag = "") {
  const std::string me =
      absl::StrCat("<sip:", std::string(user), "@", settings.domain, ">");
  return absl::StrCat(
      std::string(method), " sip:", std::string(user), "@", settings.domain,
      " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5066;branch=z9hG4bKf",
      settings.salt, std::string(kNumber),
      ";rport\r\n"
      "Max-Forwards: 70\r\nFrom: ",
      me, ";tag=f", std::string(kNumber), "\r\nTo: ", me, std::string(to_tag),
      "\r\nCall-ID: f", std::string(kNumber), "@", settings.salt,
      "\r\nCSeq: 1 ", std::string(method),
      "\r\nContact: <sip:f@192.0.2.9:5066>\r\n", std::string(more),
      "Content-Length: 0\r\n\r\n");
}

// One of each kind.
std::vector<std::string> Templates(const LoadSettings& settings) {
  const auto wrong = [&](std::string_view field) {
    return absl::StrCat(
        std::string(field), ": Digest username=\"1001\", realm=\"",
        settings.domain, "\", nonce=\"", std::string(kNumber),
        "00000000\", uri=\"sip:", settings.domain, "\", response=\"",
        std::string(64, 'a'),
        "\", algorithm=SHA-256, cnonce=\"x\", qop=auth, nc=00000001\r\n");
  };
  const std::string scanner = "User-Agent: friendly-scanner\r\n";
  std::string stun("\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
  stun += std::string(kNumber) + "flod";
  const std::string whole = Request("INVITE", "100", settings, "");
  return {
      Request("OPTIONS", kNumber, settings, ""),
      Request("INVITE", kNumber, settings, ""),
      Request("REGISTER", kNumber, settings, ""),
      Request("OPTIONS", "100", settings, scanner),
      Request("INVITE", "900442", settings, scanner),
      Request("REGISTER", "1001", settings, wrong("Authorization")),
      Request("INVITE", "1001", settings, wrong("Proxy-Authorization")),
      Request("BYE", "1001", settings, "", ";tag=forged"),
      Request("CANCEL", "1001", settings, ""),
      absl::StrCat("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;"
                   "branch=z9hG4bK",
                   std::string(kNumber), "\r\nFrom: <sip:a@b>;tag=1\r\n",
                   "To: <sip:b@c>;tag=2\r\nCall-ID: ", std::string(kNumber),
                   "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"),
      whole.substr(0, whole.size() / 2),
      "GET /" + std::string(kNumber) + " HTTP/1.1\r\n\r\n",
      std::string(64, '\xff') + std::string(kNumber) + std::string(200, '\0'),
      stun,
  };
}

// Where a template's numbers stand.
struct Kind {
  std::string text;
  std::vector<size_t> numbers;
};

std::vector<Kind> Kinds(const LoadSettings& settings) {
  std::vector<Kind> out;
  for (std::string& text : Templates(settings)) {
    Kind kind;
    for (size_t at = text.find(kNumber); at != std::string::npos;
         at = text.find(kNumber, at + 1)) {
      kind.numbers.push_back(at);
    }
    kind.text = std::move(text);
    out.push_back(std::move(kind));
  }
  return out;
}

// One socket for all addresses: each message says which it comes from.
UniqueFd FloodSocket() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  if (!fd.valid() ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) {
    Fail("no socket for the flood");
  }
  const int buffer = 4 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
  return fd;
}

// A few of what has come back are looked at, the rest is thrown away.
void ReadAnswers(int fd, FloodResult& result) {
  char text[2048];
  for (int i = 0; i < 64; ++i) {
    const ssize_t size = recv(fd, text, sizeof(text), 0);
    if (size <= 0) return;
    ++result.answers;
    const std::string_view answer(text, static_cast<size_t>(size));
    if (CodeOf(answer) == 503 && !Field(answer, "Retry-After").empty()) {
      ++result.busy;
    }
  }
}

class Batch {
 public:
  explicit Batch(const SocketAddress& target) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(target.port());
    std::memcpy(&to_.sin_addr, target.ip_bytes().data(), 4);
    for (size_t i = 0; i < kBatch; ++i) {
      msghdr& header = headers_[i].msg_hdr;
      header.msg_name = &to_;
      header.msg_namelen = sizeof(to_);
      header.msg_iov = &parts_[i];
      header.msg_iovlen = 1;
      header.msg_control = control_;
      header.msg_controllen = sizeof(control_);
    }
  }

  std::string& text(size_t i) { return texts_[i]; }

  size_t Send(int fd, size_t count, in_addr from) {
    msghdr& first = headers_[0].msg_hdr;
    cmsghdr* const control = CMSG_FIRSTHDR(&first);
    control->cmsg_level = IPPROTO_IP;
    control->cmsg_type = IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info = {};
    info.ipi_spec_dst = from;
    std::memcpy(CMSG_DATA(control), &info, sizeof(info));
    for (size_t i = 0; i < count; ++i) {
      parts_[i] = {texts_[i].data(), texts_[i].size()};
    }
    const int sent =
        sendmmsg(fd, headers_.data(), static_cast<unsigned>(count), 0);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }

 private:
  sockaddr_in to_ = {};
  alignas(cmsghdr) char control_[CMSG_SPACE(sizeof(in_pktinfo))] = {};
  std::array<mmsghdr, kBatch> headers_ = {};
  std::array<iovec, kBatch> parts_ = {};
  std::array<std::string, kBatch> texts_;
};

// The first flight of a TLS client.
std::string ClientHello() {
  const bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const bssl::UniquePtr<SSL> ssl(SSL_new(context.get()));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), in, out);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(out, &data, &size) != 1 || size == 0) {
    Fail("no ClientHello");
  }
  return {reinterpret_cast<const char*>(data), size};
}

UniqueFd BeginConnect(const SocketAddress& target, in_addr from) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fd;
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  // It ends by a reset, so that no port has to rest.
  const linger none = {1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  sockaddr_in local = {};
  local.sin_family = AF_INET;
  local.sin_addr = from;
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(target.port());
  std::memcpy(&to.sin_addr, target.ip_bytes().data(), 4);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0 ||
      (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0 &&
       errno != EINPROGRESS)) {
    return UniqueFd();
  }
  return fd;
}

uint64_t Due(double start, double rate) {
  return static_cast<uint64_t>((Seconds() - start) * rate);
}

void KeepTo(int cpu) {
  if (cpu < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) {
    Fail(absl::StrCat("no core ", cpu, " for the flood"));
  }
}

void Rest() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

}  // namespace

void SendFlood(const LoadSettings& settings, const std::atomic<bool>& stop,
               FloodResult& result) {
  KeepTo(settings.flood_cpu);
  const std::vector<Kind> kinds = Kinds(settings);
  const UniqueFd fd = FloodSocket();
  Batch batch(settings.flood_target);
  const auto sources =
      static_cast<uint64_t>(std::max(1, settings.flood_sources));
  const double start = Seconds();
  uint64_t turn = 0;
  while (!stop) {
    const uint64_t due = Due(start, settings.flood);
    if (result.sent + kBatch > due) {
      Rest();
      continue;
    }
    for (size_t i = 0; i < kBatch; ++i) {
      const uint64_t number = result.sent + i;
      const Kind& kind = kinds[number % kinds.size()];
      std::string& text = batch.text(i);
      text = kind.text;
      const std::string digits =
          Digits(static_cast<uint32_t>(number % 100'000'000));
      for (const size_t at : kind.numbers) {
        text.replace(at, kNumber.size(), digits);
      }
    }
    // What does not go out is not made up for.
    batch.Send(fd.get(), kBatch, SourceAddress(turn++ % sources));
    result.sent += kBatch;
    ReadAnswers(fd.get(), result);
  }
}

void BeginHandshakes(const LoadSettings& settings,
                     const std::atomic<bool>& stop, FloodResult& result) {
  KeepTo(settings.flood_cpu);
  const std::string hello = ClientHello();
  const auto sources =
      static_cast<uint64_t>(std::max(1, settings.flood_sources));
  const UniqueFd poll(epoll_create1(EPOLL_CLOEXEC));
  absl::flat_hash_map<int, UniqueFd> open;
  std::deque<int> order;  // of open; some are gone
  std::array<epoll_event, 256> events;
  const double start = Seconds();
  uint64_t begun = 0;
  while (!stop) {
    const uint64_t due = Due(start, settings.flood_handshakes);
    for (int i = 0; begun < due && i < 64; ++i, ++begun) {
      UniqueFd fd =
          BeginConnect(settings.tls_target, SourceAddress(begun % sources));
      if (!fd.valid()) continue;
      ++result.handshakes;
      epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data = {}};
      event.data.fd = fd.get();
      epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd.get(), &event);
      order.push_back(fd.get());
      open[fd.get()] = std::move(fd);
    }
    while (open.size() > kMostOpen && !order.empty()) {
      open.erase(order.front());
      order.pop_front();
    }
    const int ready =
        epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()),
                   begun < due ? 0 : 1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      const uint32_t what = events[static_cast<size_t>(i)].events;
      if ((what & EPOLLOUT) != 0 && (what & (EPOLLERR | EPOLLHUP)) == 0 &&
          send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) > 0) {
        epoll_event event = {.events = EPOLLIN, .data = {}};
        event.data.fd = fd;
        epoll_ctl(poll.get(), EPOLL_CTL_MOD, fd, &event);
        continue;
      }
      char octets[4096];
      if ((what & EPOLLIN) != 0 && recv(fd, octets, sizeof(octets), 0) > 0) {
        ++result.handshakes_answered;
      }
      open.erase(fd);
    }
    while (!order.empty() && !open.contains(order.front())) order.pop_front();
  }
}

void AddFlood(const FloodResult& flood, double seconds, LoadResult& out) {
  out["flood_per_second"] = static_cast<double>(flood.sent) / seconds;
  out["flood_answers"] = static_cast<double>(flood.answers);
  out["flood_busy"] = static_cast<double>(flood.busy);
  out["handshakes_per_second"] =
      static_cast<double>(flood.handshakes) / seconds;
  out["handshakes_answered_per_second"] =
      static_cast<double>(flood.handshakes_answered) / seconds;
}

LoadResult LoadFlood(const LoadSettings& settings) {
  std::atomic<bool> stop = false;
  FloodResult messages;
  FloodResult handshakes;
  std::vector<std::thread> threads;
  if (settings.flood > 0) {
    threads.emplace_back([&] { SendFlood(settings, stop, messages); });
  }
  if (settings.flood_handshakes > 0) {
    threads.emplace_back([&] { BeginHandshakes(settings, stop, handshakes); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  messages.handshakes = handshakes.handshakes;
  messages.handshakes_answered = handshakes.handshakes_answered;
  LoadResult out;
  AddFlood(messages, settings.seconds, out);
  return out;
}

}  // namespace sallyport::signaling_edge
