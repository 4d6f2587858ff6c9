#include "services/media_relay/session_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/media_relay/relay_test_setup.h"

namespace sallyport::media_relay {
bool PeerProgram::Exists(const std::string& program) {
  const char* const path = std::getenv("PATH");
  for (const absl::string_view folder :
       absl::StrSplit(path == nullptr ? "/usr/bin" : path, ':')) {
    if (access(absl::StrCat(folder, "/", program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return program.find('/') != std::string::npos &&
         access(program.c_str(), X_OK) == 0;
}

PeerProgram::PeerProgram(const std::vector<std::string>& arguments) {
  std::array<int, 2> to;
  std::array<int, 2> from;
  if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) {
    std::abort();
  }
  pid_ = fork();
  if (pid_ == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  in_ = to[1];
  out_ = from[0];
}

PeerProgram::~PeerProgram() {
  Kill();
  close(in_);
  close(out_);
}

void PeerProgram::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

int PeerProgram::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (pid_ != 0 && absl::Now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return -1;
}

void PeerProgram::WriteLine(const std::string& line) {
  const std::string text = line + "\n";
  ASSERT_EQ(write(in_, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
}

bool PeerProgram::Fill(absl::Time deadline) {
  const int64_t left =
      std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
  pollfd ready = {out_, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(left)) != 1) return false;
  std::array<char, 4096> buffer;
  const ssize_t size = read(out_, buffer.data(), buffer.size());
  if (size <= 0) return false;
  read_.append(buffer.data(), static_cast<size_t>(size));
  return true;
}

std::string PeerProgram::ReadLine(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (read_.find('\n') == std::string::npos) {
    if (!Fill(deadline)) return "";
  }
  const size_t end = read_.find('\n');
  std::string line = read_.substr(0, end);
  read_.erase(0, end + 1);
  return line;
}

std::string PeerProgram::ReadUntil(const std::string& text,
                                   absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (read_.find(text) == std::string::npos) {
    if (!Fill(deadline)) break;
  }
  return read_;
}

RtpGateway::RtpGateway()
    : udp_(UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value()),
      port_(udp_.local_address().port()) {}

RtpGateway::~RtpGateway() { Stop(); }

void RtpGateway::Start(uint16_t relay_port, uint32_t lost_of) {
  thread_ =
      std::thread([this, relay_port, lost_of] { Run(relay_port, lost_of); });
}

void RtpGateway::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void RtpGateway::Run(uint16_t relay_port, uint32_t lost_of) {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[11] = 9;
  for (int i = 0; i < 160; ++i) {
    // A square wave of 250 Hz, loud: mu-law 0x00 is -8031, 0x80 is 8031.
    packet.push_back(i / 16 % 2 == 0 ? '\x80' : '\x00');
  }
  absl::Time next = absl::Now();
  while (!stop_) {
    if (absl::Now() >= next) {
      next += absl::Milliseconds(20);
      const uint32_t sequence = sent_++;
      packet[2] = static_cast<char>(sequence >> 8);
      packet[3] = static_cast<char>(sequence);
      const uint32_t timestamp = sequence * 160;
      for (int i = 0; i < 4; ++i) {
        packet[4 + i] = static_cast<char>(timestamp >> (24 - 8 * i));
      }
      OutgoingDatagram out;
      out.payload = AsBytes(packet);
      out.peer = SocketAddress::LoopbackV4(relay_port);
      const bool lost = lost_of != 0 && sequence % lost_of == lost_of - 1;
      if (!lost) (void)udp_.SendOne(out);
    }
    pollfd ready = {udp_.fd(), POLLIN, 0};
    if (poll(&ready, 1, 5) != 1) continue;
    std::array<uint8_t, 2048> buffer;
    const ssize_t size = recv(udp_.fd(), buffer.data(), buffer.size(), 0);
    if (size < 12) continue;
    ++received_;
    const auto* const begin = buffer.data() + 12;
    const auto* const end = buffer.data() + size;
    if (buffer[0] == 0x80 && (buffer[1] & 0x7F) == 0 && size == 172 &&
        std::any_of(begin, end, [&](uint8_t v) { return v != *begin; })) {
      ++audible_;
    }
  }
}

MtlsPki* SessionRig::pki_ = nullptr;

SessionRig::SessionRig()
    : process_(
          "services/media_relay/media_relay",
          absl::StrCat(
              testing::TempDir(), "/",
              testing::UnitTest::GetInstance()->current_test_info()->name())) {}

void SessionRig::SetUpTestSuite() {
  if (pki_ == nullptr) pki_ = new MtlsPki("relay");
}

void SessionRig::SetUp() {
  const std::string server = process_.ServerJson(
      pki_->IssueSpiffe(kTestTrustDomain, "media_relay"), kTestTrustDomain,
      ",\"drain_timeout\":\"5s\",\"role_bindings\":["
      "{\"identity\":\"spiffe://t.test/operator/ann\",\"role\":"
      "\"ROLE_ADMIN\",\"tenants\":[\"*\"]}]");
  process_.WriteConfig(absl::StrCat(
      "{\"server\":", server, ",\"ephemeral_ports\":true,\"disable_tcp\":true",
      Network(), ExtraConfig(), "}"));
  process_.Start();
  edge_ = Stub("signaling_edge");
}

v1::Session SessionRig::Create(const v1::Session& session) {
  v1::CreateSessionRequest request;
  request.set_parent("tenants/default");
  *request.mutable_session() = session;
  if (session.owner().empty()) request.mutable_session()->set_owner("edge-0");
  v1::Session made;
  const absl::Status status =
      Call(*edge_, &Stubs::CreateSession, request, &made);
  EXPECT_TRUE(status.ok()) << status;
  return made;
}

v1::Session SessionRig::Update(const v1::Session& changes) {
  v1::UpdateSessionRequest request;
  *request.mutable_session() = changes;
  v1::Session updated;
  const absl::Status status =
      Call(*edge_, &Stubs::UpdateSession, request, &updated);
  EXPECT_TRUE(status.ok()) << status;
  return updated;
}

v1::Session SessionRig::Get(const std::string& name) {
  v1::GetSessionRequest request;
  request.set_name(name);
  v1::Session session;
  const absl::Status status =
      Call(*edge_, &Stubs::GetSession, request, &session);
  EXPECT_TRUE(status.ok()) << status;
  return session;
}

v1::Session SessionRig::Delete(const std::string& name) {
  v1::DeleteSessionRequest request;
  request.set_name(name);
  v1::Session session;
  const absl::Status status =
      Call(*edge_, &Stubs::DeleteSession, request, &session);
  EXPECT_TRUE(status.ok()) << status;
  return session;
}

}  // namespace sallyport::media_relay
