#include "services/media_relay/load/turn_clients.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/load/packaged_peers.h"

namespace sallyport::media_relay {
namespace {

constexpr uint16_t kStunPort = 3478;
constexpr uint16_t kChannel = 0x4000;
// As many sources as there are, far from each other in time.
constexpr size_t kFlows = 30'000;
constexpr absl::Duration kRepeatAfter = absl::Milliseconds(500);
constexpr int kMostRepeats = 6;

void UdpTransport(StunWriter& writer) {
  writer.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
}

// One client, from its challenge to its end. Thread-compatible.
class Conversation {
 public:
  Conversation(const Testbed& testbed, const TurnClientsOptions& options,
               size_t index, RandomSource& random)
      : testbed_(testbed),
        options_(options),
        flow_(index % kFlows),
        client_(absl::Now(), random),
        fd_(FlowSocket(testbed, flow_, testbed.relay_in(kStunPort))),
        start_(absl::Now()) {
    Send(client_.Bare(StunMethod::kAllocate, UdpTransport));
  }
  ~Conversation() { close(fd_); }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  int fd() const { return fd_; }
  bool over() const { return over_; }
  bool succeeded() const { return over_ && !failed_; }
  size_t repeated() const { return repeated_; }
  absl::Duration took() const { return end_ - start_; }

  void OnReadable() {
    std::array<char, 2048> buffer;
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) return;
    const std::string answer(buffer.data(), static_cast<size_t>(size));
    // RFC 8489 section 6.3: of another transaction, so not an answer.
    if (answer.size() < 20 || answer.compare(8, 12, request_, 8, 12) != 0) {
      return;
    }
    const int code = TurnTestClient::CodeOf(answer);
    if (stage_ == Stage::kChallenge) {
      if (code != 401) return Finish(false);
      client_.TakeChallenge(answer);
      stage_ = Stage::kAllocate;
      return Send(client_.Signed(StunMethod::kAllocate, UdpTransport));
    }
    if (code != 0) return Finish(false);
    Continue();
  }

  void OnTime(absl::Time now) {
    if (over_ || now < sent_ + kRepeatAfter) return;
    if (repeats_ == kMostRepeats) return Finish(false);
    ++repeats_;
    ++repeated_;
    Transmit();
  }

 private:
  enum class Stage { kChallenge, kAllocate, kBind, kEnd };

  void Continue() {
    if (stage_ == Stage::kAllocate && options_.bind_channel) {
      stage_ = Stage::kBind;
      return Send(client_.Signed(StunMethod::kChannelBind, [&](StunWriter& w) {
        w.AddUint32(stun_attribute::kChannelNumber, uint32_t{kChannel} << 16);
        w.AddXorAddress(stun_attribute::kXorPeerAddress,
                        testbed_.destination(flow_));
      }));
    }
    if (stage_ != Stage::kEnd && options_.end) {
      stage_ = Stage::kEnd;
      return Send(client_.Signed(StunMethod::kRefresh, [](StunWriter& w) {
        w.AddUint32(stun_attribute::kLifetime, 0);
      }));
    }
    Finish(true);
  }

  void Send(std::string request) {
    request_ = std::move(request);
    repeats_ = 0;
    Transmit();
  }
  void Transmit() {
    sent_ = absl::Now();
    (void)send(fd_, request_.data(), request_.size(), MSG_DONTWAIT);
  }
  void Finish(bool succeeded) {
    over_ = true;
    failed_ = !succeeded;
    end_ = absl::Now();
  }

  const Testbed& testbed_;
  const TurnClientsOptions& options_;
  const size_t flow_;
  TurnTestClient client_;
  const int fd_;
  const absl::Time start_;
  absl::Time sent_;
  absl::Time end_;
  std::string request_;
  Stage stage_ = Stage::kChallenge;
  int repeats_ = 0;
  size_t repeated_ = 0;
  bool over_ = false;
  bool failed_ = false;
};

double Quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at =
      static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

}  // namespace

TurnClientsResult RunTurnClients(const Testbed& testbed,
                                 const TurnClientsOptions& options,
                                 RandomSource& random) {
  TurnClientsResult result;
  std::vector<std::unique_ptr<Conversation>> live;
  std::vector<double> times;
  size_t started = 0;
  const absl::Time begin = absl::Now();
  const auto due = [&](absl::Time now) {
    if (options.per_second == 0) return options.clients;
    return std::min<size_t>(
        options.clients,
        static_cast<size_t>(absl::ToDoubleSeconds(now - begin) *
                            options.per_second) +
            1);
  };
  while (started < options.clients || !live.empty()) {
    const absl::Time now = absl::Now();
    while (started < due(now) && live.size() < options.in_flight) {
      live.push_back(std::make_unique<Conversation>(
          testbed, options, options.first + started++ * options.step, random));
    }
    std::vector<pollfd> ready;
    for (const auto& client : live) ready.push_back({client->fd(), POLLIN, 0});
    (void)poll(ready.data(), ready.size(), options.per_second == 0 ? 10 : 1);
    for (size_t i = 0; i < live.size(); ++i) {
      if ((ready[i].revents & POLLIN) != 0) live[i]->OnReadable();
      live[i]->OnTime(now);
      if (!live[i]->over()) continue;
      (live[i]->succeeded() ? result.succeeded : result.failed) += 1;
      result.repeated += live[i]->repeated();
      times.push_back(absl::ToDoubleMilliseconds(live[i]->took()));
    }
    live.erase(std::remove_if(live.begin(), live.end(),
                              [](const auto& c) { return c->over(); }),
               live.end());
  }
  result.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::sort(times.begin(), times.end());
  result.median_ms = Quantile(times, 0.5);
  result.p99_ms = Quantile(times, 0.99);
  return result;
}

void SendSpoofed(const Testbed& testbed, size_t count, RandomSource& random) {
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) Fail("no raw socket");
  TurnTestClient client(absl::Now(), random);
  client.realm = "sallyport";
  client.nonce = "obMatJos2AAAAmade-up-nonce";
  const std::array<std::string, 4> requests = {
      client.Bare(StunMethod::kBinding),
      client.Bare(StunMethod::kAllocate, UdpTransport),
      client.Signed(StunMethod::kAllocate, UdpTransport),
      std::string(172, '\xAB')};
  sockaddr_storage address;
  const socklen_t address_size =
      testbed.relay_in(kStunPort).ToSocketAddress().ToSockaddr(address);
  const auto& to = reinterpret_cast<const sockaddr_in&>(address);
  constexpr size_t kBatch = 64;
  std::vector<std::string> frames(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  std::vector<iovec> parts(kBatch);
  for (size_t done = 0; done < count; done += kBatch) {
    for (size_t i = 0; i < kBatch; ++i) {
      const std::string& request = requests[i % requests.size()];
      const uint64_t noise = random.NextU64();
      iphdr ip = {};
      ip.version = 4;
      ip.ihl = 5;
      ip.ttl = 64;
      ip.protocol = IPPROTO_UDP;
      ip.tot_len = htons(static_cast<uint16_t>(sizeof(iphdr) + sizeof(udphdr) +
                                               request.size()));
      // 11.0.0.0 to 126.255.255.255: the load's own are in 10.0.0.0/8.
      ip.saddr = htonl(static_cast<uint32_t>((11 + noise % 116) << 24 |
                                             (noise >> 8 & 0xFFFFFF)));
      ip.daddr = to.sin_addr.s_addr;
      udphdr udp = {};
      udp.source = htons(static_cast<uint16_t>(1024 + (noise >> 40) % 60'000));
      udp.dest = to.sin_port;
      udp.len = htons(static_cast<uint16_t>(sizeof(udphdr) + request.size()));
      std::string& frame = frames[i];
      frame.assign(reinterpret_cast<const char*>(&ip), sizeof(ip));
      frame.append(reinterpret_cast<const char*>(&udp), sizeof(udp));
      frame.append(request);
      // Another transaction each time.
      if (request.size() > 20 && request[0] == 0) {
        std::memcpy(frame.data() + sizeof(ip) + sizeof(udp) + 8, &noise,
                    sizeof(noise));
      }
      parts[i] = {frame.data(), frame.size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &address;
      messages[i].msg_hdr.msg_namelen = address_size;
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    (void)sendmmsg(fd, messages.data(), kBatch, 0);
  }
  close(fd);
}

}  // namespace sallyport::media_relay
