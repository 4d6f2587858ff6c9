// The real relay as a process with sessions on loopback, and far sides that are
// programs of other hands.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_SESSION_RIG_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_SESSION_RIG_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "services/common/net/udp_socket.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/media_relay/relay_test_setup.h"

namespace sallyport::media_relay {

// A program with its standard input and output at hand; killed at the end.
// Thread-compatible.
class PeerProgram {
 public:
  // `arguments` begin with the program, found in PATH.
  explicit PeerProgram(const std::vector<std::string>& arguments);
  ~PeerProgram();
  PeerProgram(const PeerProgram&) = delete;
  PeerProgram& operator=(const PeerProgram&) = delete;

  static bool Exists(const std::string& program);

  void WriteLine(const std::string& line);
  // Without the newline; empty when none comes in time.
  std::string ReadLine(absl::Duration timeout = absl::Seconds(20));
  // Reads until `text` was written or the time is over; all that was read.
  std::string ReadUntil(const std::string& text,
                        absl::Duration timeout = absl::Seconds(20));
  void Kill();
  // Waits for its end; the exit code, -1 when it does not come in time.
  int Wait(absl::Duration timeout);

 private:
  bool Fill(absl::Time deadline);

  pid_t pid_ = 0;
  int in_ = -1;
  int out_ = -1;
  std::string read_;
};

// A gateway with RTP in clear: sends PCMU at 50 packets a second and counts
// what it gets. Thread-compatible.
class RtpGateway {
 public:
  RtpGateway();
  ~RtpGateway();

  uint16_t port() const { return port_; }
  // Begins to send to the relay's leg, as over a network that loses one packet
  // of `lost_of`; 0: none.
  void Start(uint16_t relay_port, uint32_t lost_of = 0);
  void Stop();
  uint32_t sent() const { return sent_; }
  uint32_t received() const { return received_; }
  // Of those received: RTP version 2, payload type 0, 160 octets that differ.
  uint32_t audible() const { return audible_; }

 private:
  void Run(uint16_t relay_port, uint32_t lost_of);

  UdpSocket udp_;
  uint16_t port_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint32_t> sent_ = 0;
  std::atomic<uint32_t> received_ = 0;
  std::atomic<uint32_t> audible_ = 0;
  std::thread thread_;
};

// A relay of two loops that may reach loopback.
class SessionRig : public testing::Test {
 protected:
  using Stubs = RelayStub;

  SessionRig();
  static void SetUpTestSuite();
  void SetUp() override;

  std::unique_ptr<Stubs> Stub(const std::string& who) {
    return ConnectToRelay(*pki_, process_, who);
  }

  template <typename Method, typename Request, typename Response>
  absl::Status Call(Stubs& stub, Method method, const Request& request,
                    Response* response) {
    return CallRelay(stub, method, request, response);
  }
  // As the edge; a failure is the test's.
  v1::Session Create(const v1::Session& session);
  v1::Session Update(const v1::Session& changes);
  v1::Session Get(const std::string& name);
  v1::Session Delete(const std::string& name);
  // Until `done` says so or 15 s have passed; the last state.
  template <typename Done>
  v1::Session WaitFor(const std::string& name, Done done) {
    v1::Session session;
    for (int i = 0; i < 150; ++i) {
      session = Get(name);
      if (done(session)) break;
      absl::SleepFor(absl::Milliseconds(100));
    }
    return session;
  }

  // Fields of the configuration that say where it is, with a comma before.
  virtual std::string Network() const {
    return ",\"external\":{\"addresses\":[\"127.0.0.1\"]},\"loops\":2"
           ",\"peer_policy\":{\"allowed_prefixes\":[\"127.0.0.0/8\"]}";
  }
  // Fields of the configuration beyond those needed, with a comma before.
  virtual std::string ExtraConfig() const { return ""; }

  static MtlsPki* pki_;
  ServiceProcess process_;
  std::unique_ptr<Stubs> edge_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_SESSION_RIG_H_
