// The least that an edge can do, as the ceiling to compare with: one thread,
// recvmmsg and sendmmsg, TCP, and mutual TLS whose clients need a certificate
// of the given authority. It answers every request 200 with the fields that
// RFC 3261 section 8.2.6.2 copies, spelled as sip_load spells them, and checks
// nothing else. Runs until SIGTERM:
//
//   bare_edge --host=192.0.2.1 --certificate=PEM --key=PEM --ca=PEM

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/signaling_edge/load/channel.h"

ABSL_FLAG(std::string, host, "", "address; 5060 by UDP and TCP, 5061 by TLS");
ABSL_FLAG(std::string, certificate, "", "PEM");
ABSL_FLAG(std::string, key, "", "PEM");
ABSL_FLAG(std::string, ca, "", "PEM of who signs the clients' certificates");

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kStart = "SIP/2.0 200 OK\r\n";
constexpr std::string_view kToTag = ";tag=bare";
constexpr std::string_view kEnd = "Content-Length: 0\r\n\r\n";
constexpr std::array<std::string_view, 5> kCopied = {
    "Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "};

// In one pass; `out` is empty for what no answer is due to.
void Answer(std::string_view request, std::string& out) {
  out.clear();
  if (request.starts_with("ACK ") || request.starts_with("SIP/2")) {
    return;
  }
  out.append(kStart);
  size_t at = request.find("\r\n");
  while (at != std::string_view::npos) {
    at += 2;
    const size_t end = request.find("\r\n", at);
    if (end == std::string_view::npos || end == at) break;
    const std::string_view line = request.substr(at, end - at);
    for (const std::string_view name : kCopied) {
      if (!line.starts_with(name)) continue;
      out.append(line);
      if (name == "To: ") out.append(kToTag);
      out.append("\r\n");
      break;
    }
    at = end;
  }
  out.append(kEnd);
}

// A socket for datagrams of all sources, answered a batch at a time.
class BareUdp final : public Channel {
 public:
  explicit BareUdp(UniqueFd fd)
      : Channel(std::move(fd)), memory_(kBatch * kMaxDatagram) {}

  // It answers by itself.
  void Send(std::string_view) override {}
  void Flush() override {}

  bool Read(const OnMessage&) override {
    std::array<mmsghdr, kBatch> in = {};
    std::array<iovec, kBatch> in_vectors;
    for (size_t i = 0; i < kBatch; ++i) {
      in_vectors[i] = {memory_.data() + i * kMaxDatagram, kMaxDatagram};
      in[i].msg_hdr = {.msg_name = &names_[i],
                       .msg_namelen = sizeof(names_[i]),
                       .msg_iov = &in_vectors[i],
                       .msg_iovlen = 1,
                       .msg_control = nullptr,
                       .msg_controllen = 0,
                       .msg_flags = 0};
    }
    const int count = recvmmsg(fd(), in.data(), kBatch, 0, nullptr);
    std::array<mmsghdr, kBatch> out = {};
    std::array<iovec, kBatch> out_vectors;
    unsigned answers = 0;
    for (int i = 0; i < count; ++i) {
      std::string& answer = answers_[answers];
      Answer({memory_.data() + i * kMaxDatagram,
              std::min<size_t>(in[i].msg_len, kMaxDatagram)},
             answer);
      if (answer.empty()) continue;
      out_vectors[answers] = {answer.data(), answer.size()};
      out[answers].msg_hdr = in[i].msg_hdr;
      out[answers].msg_hdr.msg_iov = &out_vectors[answers];
      ++answers;
    }
    // What does not go out is lost, as the net would.
    if (answers > 0) sendmmsg(fd(), out.data(), answers, 0);
    return true;
  }

 private:
  static constexpr size_t kBatch = 64;
  static constexpr size_t kMaxDatagram = 4096;

  std::vector<char> memory_;
  std::array<sockaddr_storage, kBatch> names_;
  std::array<std::string, kBatch> answers_;
};

UniqueFd BindUdp(const SocketAddress& at) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int octets = 16 << 20;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof(octets));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof(octets));
  sockaddr_storage name;
  const socklen_t size = at.ToSockaddr(name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) {
    Fail("bind " + at.ToString() + ": " + std::strerror(errno));
  }
  return fd;
}

SocketAddress At(const std::string& port) {
  const auto address =
      SocketAddress::Parse(absl::GetFlag(FLAGS_host) + ":" + port);
  if (!address.ok()) Fail("no address: " + absl::GetFlag(FLAGS_host));
  return *address;
}

// So that what tools/profile counts is written.
volatile std::sig_atomic_t ended = 0;

void End(int /*signal*/) { ended = 1; }

int Main() {
  const bssl::UniquePtr<SSL_CTX> tls =
      TlsOf(absl::GetFlag(FLAGS_certificate), absl::GetFlag(FLAGS_key));
  SSL_CTX_set_custom_verify(tls.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify(
      tls.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const std::string ca = absl::GetFlag(FLAGS_ca);
  if (!SSL_CTX_load_verify_locations(tls.get(), ca.c_str(), nullptr)) {
    Fail("cannot read " + ca);
  }
  std::string answer;
  const Channel::OnMessage on_message = [&answer](Channel& channel,
                                                  std::string_view message) {
    Answer(message, answer);
    if (answer.empty()) return;
    // Each by a write of its own, as no client waits for another's answer.
    channel.Send(answer);
    channel.Flush();
  };
  Poller poller(on_message);
  poller.Add(std::make_unique<BareUdp>(BindUdp(At("5060"))));
  poller.Accept(ListenTcp(At("5060")), nullptr);
  poller.Accept(ListenTcp(At("5061")), tls.get());
  std::puts("ready");
  std::fflush(stdout);
  struct sigaction action = {};
  action.sa_handler = End;
  sigaction(SIGTERM, &action, nullptr);
  while (ended == 0) poller.Turn(absl::Seconds(1));
  return 0;
}

}  // namespace
}  // namespace sallyport::signaling_edge

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return sallyport::signaling_edge::Main();
}
