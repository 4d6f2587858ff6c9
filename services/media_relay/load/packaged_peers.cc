#include "services/media_relay/load/packaged_peers.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/system_random.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {
namespace {

constexpr uint16_t kChannel = 0x4000;
constexpr uint16_t kStunPort = 3478;

template <typename Fill>
std::string Stun(StunMethod method, const Fill& fill) {
  static SystemRandom random;
  StunTransactionId id;
  random.Fill(absl::MakeSpan(id));
  std::array<uint8_t, 512> buffer;
  StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest,
                    static_cast<uint16_t>(method), id);
  fill(writer);
  return ToString(writer.finished());
}

void ExpectSuccess(const std::string& answer, const std::string& what) {
  const auto message = ParseStunMessage(AsBytes(answer));
  if (!message.ok() || message->message_class() != StunClass::kSuccess) {
    Fail(absl::StrCat(what, ": refused"));
  }
}

std::string Bencode(const std::string& text) {
  return absl::StrCat(text.size(), ":", text);
}

std::string Sdp(const Endpoint& at, bool srtp, int tag) {
  const std::string ip = at.ip.ToString();
  return absl::StrCat(
      "v=0\r\no=- 1 1 IN IP4 ", ip, "\r\ns=-\r\nc=IN IP4 ", ip,
      "\r\nt=0 0\r\nm=audio ", at.port, srtp ? " RTP/SAVP 0" : " RTP/AVP 0",
      "\r\na=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\n",
      srtp ? absl::StrCat("a=crypto:", tag,
                          " AES_CM_128_HMAC_SHA1_80 inline:"
                          "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5\r\n")
           : std::string());
}

}  // namespace

std::string ChannelPrefix() {
  std::string prefix(kChannelDataHeaderSize, '\0');
  WriteChannelDataHeader(kChannel, Testbed::kPayload,
                         reinterpret_cast<uint8_t*>(prefix.data()));
  return prefix;
}

std::string Ask(int fd, const std::string& request, const std::string& what) {
  for (int i = 0; i < 20; ++i) {
    (void)send(fd, request.data(), request.size(), 0);
    pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, 300) != 1) continue;
    std::array<char, 8192> buffer;
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size > 0) return std::string(buffer.data(), static_cast<size_t>(size));
    absl::SleepFor(absl::Milliseconds(50));
  }
  Fail(absl::StrCat(what, ": no answer"));
}

int FlowSocket(const Testbed& testbed, size_t i, const Endpoint& to) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage address;
  socklen_t size = testbed.source(i).ToSocketAddress().ToSockaddr(address);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    Fail("cannot bind a client");
  }
  size = to.ToSocketAddress().ToSockaddr(address);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    Fail("cannot connect a client");
  }
  return fd;
}

void StartCoturn(Testbed& testbed, size_t flows, const std::string& folder) {
  if (access("/usr/bin/turnserver", X_OK) != 0) Fail("coturn is not installed");
  testbed.Start({"turnserver",
                 "-n",
                 "--no-auth",
                 "--no-cli",
                 "--no-tls",
                 "--no-dtls",
                 "--no-rfc5780",
                 "-m",
                 std::to_string(testbed.relay_cpus().size()),
                 "--listening-ip=" + testbed.relay_in(0).ip.ToString(),
                 "--relay-ip=" + testbed.relay_out(0).ip.ToString(),
                 "--listening-port=3478",
                 "--allow-loopback-peers",
                 "--cli-password=x",
                 "--min-port=30000",
                 "--max-port=59999",
                 "--userdb=" + folder + "/coturn.db",
                 "--pidfile=" + folder + "/pid",
                 "--log-file=/dev/null",
                 "--no-stdout-log"},
                folder + "/coturn.log");
  absl::SleepFor(absl::Milliseconds(1500));
  testbed.InLoad([&] {
    for (size_t i = 0; i < flows; ++i) {
      const int fd = FlowSocket(testbed, i, testbed.relay_in(kStunPort));
      ExpectSuccess(Ask(fd,
                        Stun(StunMethod::kAllocate,
                             [](StunWriter& w) {
                               w.AddUint32(stun_attribute::kRequestedTransport,
                                           17u << 24);
                             }),
                        "coturn"),
                    "coturn: Allocate");
      ExpectSuccess(Ask(fd,
                        Stun(StunMethod::kChannelBind,
                             [&](StunWriter& w) {
                               w.AddUint32(stun_attribute::kChannelNumber,
                                           uint32_t{kChannel} << 16);
                               w.AddXorAddress(stun_attribute::kXorPeerAddress,
                                               testbed.destination(i));
                             }),
                        "coturn"),
                    "coturn: ChannelBind");
      close(fd);
      testbed.SetFlow(i, testbed.relay_in(kStunPort), ChannelPrefix());
    }
  });
}

void StartRtpengine(Testbed& testbed, size_t flows, bool srtp,
                    const std::string& folder) {
  if (access("/usr/bin/rtpengine", X_OK) != 0) {
    Fail("rtpengine is not installed");
  }
  testbed.Start({"rtpengine", "--foreground",
                 "--interface=" + testbed.relay_in(0).ip.ToString(),
                 "--listen-ng=127.0.0.1:2223", "--table=-1",
                 "--num-threads=" + std::to_string(testbed.relay_cpus().size()),
                 "--port-min=1100", "--port-max=65000", "--log-level=1",
                 "--timeout=3600", "--silent-timeout=3600",
                 "--pidfile=" + folder + "/pid", "--config-file=none"},
                folder + "/rtpengine.log");
  absl::SleepFor(absl::Milliseconds(1500));
  std::vector<Endpoint> ports;
  testbed.InRelay([&] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(2223);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
      Fail("rtpengine: connect");
    }
    for (size_t i = 0; i < flows; ++i) {
      const std::string call = absl::StrCat("call", i);
      const std::string offer = absl::StrCat(
          "c", i, "o d", Bencode("command"), Bencode("offer"),
          Bencode("call-id"), Bencode(call), Bencode("from-tag"), Bencode("a"),
          Bencode("ICE"), Bencode("remove"),
          srtp ? Bencode("transport-protocol") + Bencode("RTP/SAVP") : "",
          Bencode("sdp"), Bencode(Sdp(testbed.source(i), false, 1)), "e");
      const std::string offered = Ask(fd, offer, "rtpengine: offer");
      if (offered.find("2:ok") == std::string::npos) {
        Fail("rtpengine: offer refused");
      }
      // The tag of the suite that the answer takes up.
      int tag = 1;
      const size_t suite = offered.find(" AES_CM_128_HMAC_SHA1_80");
      if (suite != std::string::npos) {
        size_t start = suite;
        while (std::isdigit(static_cast<unsigned char>(offered[start - 1]))) {
          --start;
        }
        tag = std::atoi(offered.c_str() + start);
      }
      const std::string answer = absl::StrCat(
          "c", i, "a d", Bencode("command"), Bencode("answer"),
          Bencode("call-id"), Bencode(call), Bencode("from-tag"), Bencode("a"),
          Bencode("to-tag"), Bencode("b"), Bencode("ICE"), Bencode("remove"),
          Bencode("sdp"), Bencode(Sdp(testbed.destination(i), srtp, tag)), "e");
      const std::string answered = Ask(fd, answer, "rtpengine: answer");
      const size_t media = answered.find("m=audio ");
      if (media == std::string::npos) Fail("rtpengine: answer refused");
      ports.push_back(testbed.relay_in(
          static_cast<uint16_t>(std::atoi(answered.c_str() + media + 8))));
    }
    close(fd);
  });
  for (size_t i = 0; i < flows; ++i) testbed.SetFlow(i, ports[i], "");
}

}  // namespace sallyport::media_relay
