#include "services/media_relay/load/bare_relay.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/aead.h>
#include <openssl/aes.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/wire_header.h"
#include "services/media_relay/io/xsk_socket.h"
#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {
namespace {

constexpr LinkHeader kRelayToSink = {2, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 3, 8, 0};
constexpr uint16_t kFirstPort = 10000;
constexpr size_t kBatch = 64;

// SRTP of one direction straight on BoringSSL's primitives (RFC 3711 with
// AES-CM and HMAC-SHA1-80, RFC 7714 with AES-128-GCM), without the bookkeeping
// that a real sender owes.
class BareProtect {
 public:
  BareProtect(uint32_t seed, BareSrtp srtp) : srtp_(srtp) {
    std::array<uint8_t, 16> key;
    std::array<uint8_t, 64> pad = {};
    for (size_t i = 0; i < 16; ++i) {
      key[i] = static_cast<uint8_t>(seed * 7 + i * 13);
      salt_[i] = static_cast<uint8_t>(seed * 3 + i);
    }
    for (size_t i = 0; i < 20; ++i) {
      pad[i] = static_cast<uint8_t>(seed * 5 + i * 11);
    }
    EVP_AEAD_CTX_zero(&aead_);
    if (srtp == BareSrtp::kAesGcm) {
      EVP_AEAD_CTX_init(&aead_, EVP_aead_aes_128_gcm(), key.data(), 16, 16,
                        nullptr);
    }
    AES_set_encrypt_key(key.data(), 128, &aes_);
    for (uint8_t& octet : pad) octet ^= 0x36;
    SHA1_Init(&inner_);
    SHA1_Update(&inner_, pad.data(), pad.size());
    for (uint8_t& octet : pad) octet ^= 0x36 ^ 0x5C;
    SHA1_Init(&outer_);
    SHA1_Update(&outer_, pad.data(), pad.size());
  }

  size_t Protect(uint8_t* p, size_t size) {
    const uint16_t sequence = static_cast<uint16_t>((p[2] << 8) | p[3]);
    if (sequence < last_ && last_ - sequence > 0x8000) ++rollovers_;
    last_ = sequence;
    const uint32_t rollovers = htonl(rollovers_);
    std::array<uint8_t, 16> iv = {};
    if (srtp_ == BareSrtp::kAesGcm) {
      std::memcpy(iv.data() + 2, p + 8, 4);
      std::memcpy(iv.data() + 6, &rollovers, 4);
      iv[10] = p[2];
      iv[11] = p[3];
      for (size_t i = 0; i < 12; ++i) iv[i] ^= salt_[i];
      size_t tag = 0;
      EVP_AEAD_CTX_seal_scatter(&aead_, p + 12, p + size, &tag, 16, iv.data(),
                                12, p + 12, size - 12, nullptr, 0, p, 12);
      return size + tag;
    }
    std::memcpy(iv.data() + 4, p + 8, 4);
    std::memcpy(iv.data() + 8, &rollovers, 4);
    iv[12] = p[2];
    iv[13] = p[3];
    for (size_t i = 0; i < 14; ++i) iv[i] ^= salt_[i];
    std::array<uint8_t, 16> stream;
    unsigned used = 0;
    AES_ctr128_encrypt(p + 12, p + 12, size - 12, &aes_, iv.data(),
                       stream.data(), &used);
    std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
    SHA_CTX hash = inner_;
    SHA1_Update(&hash, p, size);
    SHA1_Update(&hash, &rollovers, 4);
    SHA1_Final(digest.data(), &hash);
    hash = outer_;
    SHA1_Update(&hash, digest.data(), digest.size());
    SHA1_Final(digest.data(), &hash);
    std::memcpy(p + size, digest.data(), 10);
    return size + 10;
  }

 private:
  BareSrtp srtp_;
  AES_KEY aes_;
  SHA_CTX inner_;
  SHA_CTX outer_;
  EVP_AEAD_CTX aead_;
  std::array<uint8_t, 16> salt_;
  uint32_t rollovers_ = 0;
  uint16_t last_ = 0;
};

struct Slot {
  alignas(16) std::array<uint8_t, WireHeader::kMaxSize + 2048> buffer;
  alignas(cmsghdr) std::array<char, 64> control;
  sockaddr_in from;
  iovec in;
  iovec out;
};

}  // namespace

struct BareRelay::Flow {
  WireHeader header;
  uint32_t source;
  std::optional<BareProtect> protect;
};

BareRelay::BareRelay(Testbed& testbed, size_t flows, BareSrtp srtp, bool af_xdp)
    : testbed_(testbed), af_xdp_(af_xdp), flows_(flows) {
  for (size_t i = 0; i < flows; ++i) {
    flows_[i].header =
        WireHeader(testbed_.relay_out(static_cast<uint16_t>(30000 + i)),
                   testbed_.destination(i));
    flows_[i].header.SetLink(kRelayToSink);
    std::memcpy(&flows_[i].source, testbed_.source(i).ip.bytes().data(), 4);
    if (srtp != BareSrtp::kNone) {
      flows_[i].protect.emplace(static_cast<uint32_t>(i), srtp);
    }
  }
  thread_ = std::thread([this] {
    testbed_.InRelay([&] {
      PinTo(testbed_.relay_cpus()[0]);
      af_xdp_ ? ServeRings() : Serve();
    });
  });
  while (thread_id_ == 0) absl::SleepFor(absl::Milliseconds(1));
  for (size_t i = 0; i < flows; ++i) {
    testbed.SetFlow(i, testbed.relay_in(static_cast<uint16_t>(kFirstPort + i)),
                    "");
  }
}

BareRelay::~BareRelay() {
  stop_ = true;
  thread_.join();
}

void BareRelay::Serve() {
  const int in = socket(AF_INET, SOCK_DGRAM, 0);
  const int size = 8 << 20;
  const int on = 1;
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_port = htons(3478);
  if (bind(in, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) {
    Fail("bare relay: bind");
  }
  setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  setsockopt(in, SOL_IP, IP_RECVORIGDSTADDR, &on, sizeof(on));
  const timeval patience = {0, 50000};
  setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const uint32_t zero = 0;
  const uint64_t value = static_cast<uint64_t>(in);
  const int space = open("/proc/thread-self/ns/net", O_RDONLY);
  if (bpf_map_update_elem(testbed_.map("one_socket"), &zero, &value, 0) != 0) {
    Fail("bare relay: the socket map");
  }
  const int link = bpf_link_create(testbed_.program("steer_all"), space,
                                   BPF_SK_LOOKUP, nullptr);
  if (link < 0) Fail("bare relay: sk_lookup");
  const int out = socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll device = {};
  device.sll_family = AF_PACKET;
  device.sll_ifindex = static_cast<int>(if_nametoindex("mlr1"));
  if (bind(out, reinterpret_cast<const sockaddr*>(&device), sizeof(device)) !=
      0) {
    Fail("bare relay: packet socket");
  }
  setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
  setsockopt(out, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));

  const auto slots = std::make_unique<std::array<Slot, kBatch>>();
  std::array<mmsghdr, kBatch> receive = {};
  std::array<mmsghdr, kBatch> send = {};
  thread_id_ = static_cast<pid_t>(syscall(SYS_gettid));
  while (!stop_.load(std::memory_order_relaxed)) {
    for (size_t i = 0; i < kBatch; ++i) {
      Slot& slot = (*slots)[i];
      msghdr& header = receive[i].msg_hdr;
      slot.in = {slot.buffer.data() + WireHeader::kMaxSize, 1900};
      header.msg_iov = &slot.in;
      header.msg_iovlen = 1;
      header.msg_name = &slot.from;
      header.msg_namelen = sizeof(slot.from);
      header.msg_control = slot.control.data();
      header.msg_controllen = slot.control.size();
    }
    const int got =
        recvmmsg(in, receive.data(), kBatch, MSG_WAITFORONE, nullptr);
    unsigned ready = 0;
    for (int i = 0; i < got; ++i) {
      Slot& slot = (*slots)[static_cast<size_t>(i)];
      size_t number = flows_.size();
      msghdr& header = receive[static_cast<size_t>(i)].msg_hdr;
      for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
           c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) {
          sockaddr_in to;
          std::memcpy(&to, CMSG_DATA(c), sizeof(to));
          number = static_cast<size_t>(ntohs(to.sin_port)) - kFirstPort;
        }
      }
      if (number >= flows_.size()) continue;
      Flow& flow = flows_[number];
      if (flow.source != slot.from.sin_addr.s_addr) continue;
      uint8_t* const payload = slot.buffer.data() + WireHeader::kMaxSize;
      size_t length = receive[static_cast<size_t>(i)].msg_len;
      if (flow.protect) length = flow.protect->Protect(payload, length);
      const auto frame = flow.header.Frame(payload, length, true);
      slot.out = {const_cast<uint8_t*>(frame.data()), frame.size()};
      send[ready].msg_hdr.msg_iov = &slot.out;
      send[ready].msg_hdr.msg_iovlen = 1;
      ++ready;
    }
    for (unsigned sent = 0; sent < ready;) {
      const int done = sendmmsg(out, &send[sent], ready - sent, 0);
      sent += done > 0 ? static_cast<unsigned>(done) : 1u;
    }
  }
  close(link);
  close(space);
  close(in);
  close(out);
}

void BareRelay::ServeRings() {
  const int in_device = static_cast<int>(if_nametoindex("mlr0"));
  const auto memory = FrameMemory::Create(2 * XskSocket::kRing).value();
  auto in = XskSocket::Create(*memory, nullptr, {in_device, 0, true});
  if (!in.ok()) Fail(in.status().ToString());
  auto out = XskSocket::Create(
      *memory, in->get(), {static_cast<int>(if_nametoindex("mlr1")), 0, false});
  if (!out.ok()) Fail(out.status().ToString());
  XskSocket& receive = **in;
  XskSocket& send = **out;
  const uint32_t zero = 0;
  const int fd = receive.fd();
  if (bpf_map_update_elem(testbed_.map("one_ring"), &zero, &fd, 0) != 0 ||
      bpf_xdp_attach(in_device, testbed_.program("to_ring"), XDP_FLAGS_DRV_MODE,
                     nullptr) != 0) {
    Fail("bare relay: XDP");
  }
  receive.Refill();
  thread_id_ = static_cast<pid_t>(syscall(SYS_gettid));
  std::array<xdp_desc, kBatch> frames;
  while (!stop_.load(std::memory_order_relaxed)) {
    const size_t got = receive.Receive(absl::MakeSpan(frames));
    if (got == 0) {
      pollfd ready = {fd, POLLIN, 0};
      (void)poll(&ready, 1, 50);
    }
    for (size_t i = 0; i < got; ++i) {
      uint8_t* const data = memory->at(frames[i].addr);
      uint8_t* const payload = data + 42;
      uint32_t source;
      std::memcpy(&source, data + 26, 4);
      const size_t number =
          static_cast<size_t>((data[36] << 8) | data[37]) - kFirstPort;
      if (data[12] != 8 || data[23] != 17 || number >= flows_.size() ||
          flows_[number].source != source) {
        memory->free().push_back(static_cast<uint32_t>(memory->ChunkOf(data)));
        continue;
      }
      Flow& flow = flows_[number];
      size_t length = frames[i].len - 42;
      if (flow.protect) length = flow.protect->Protect(payload, length);
      const auto frame = flow.header.Frame(payload, length, true);
      while (!send.Send(frame)) (void)send.Flush();
    }
    (void)send.Flush();
    send.Reclaim();
    receive.Refill();
  }
}

}  // namespace sallyport::media_relay
