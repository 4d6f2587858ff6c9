// An EdgeCore with everything around it played by the test: phones, peers, the
// media relay, time. Messages are scripted text.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_HARNESS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_HARNESS_H_

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/edge_core.h"

namespace sallyport::signaling_edge {

// The plan of the tests: tenant tenants/t, domain d.test;
//   users alice (SECURED, phone SEP1), bob and carol (UNSECURED), pw "pw", MD5
//   peers gw (SIP_SECURED, TLS, gw.d.test at 192.0.2.20), pbx (UNSECURED, UDP,
//   192.0.2.10), far (UNSECURED, TCP, far.d.test by name)
//   patterns 9.! to gw, 8.! to pbx, 7.! to far
std::shared_ptr<PlanSnapshot> TestPlan();

// A message that left the edge. Thread-compatible.
struct Sent {
  ConnectionId connection = 0;  // or, on UDP:
  SocketAddress to;
  SipMessage message;
};

class EdgeHarness {
 public:
  // Of the relay, on legs with DTLS-SRTP.
  static constexpr char kRelayFingerprint[] =
      "sha-256 "
      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

  static constexpr ListenerId kUdp = 0;
  static constexpr ListenerId kTcp = 1;
  static constexpr ListenerId kTls = 2;
  static constexpr ListenerId kSccpTls = 3;
  static constexpr ListenerId kSccpTcp = 4;

  explicit EdgeHarness(EdgeOptions options = Options());
  static EdgeOptions Options();

  EdgeCore& core() { return *core_; }
  MonoTime now() const { return now_; }
  void Load(std::shared_ptr<PlanSnapshot> plan);

  // A TLS connection whose certificate has this dNSName or, with `common_name`
  // set, that CN and no SAN. Both empty: no certificate.
  ConnectionId ConnectTls(std::string_view dns, std::string_view common_name,
                          std::string_view ip = "203.0.113.5");
  ConnectionId ConnectTcp(std::string_view ip);
  // A voicemail port's, whose certificate has this CN; empty: in clear.
  ConnectionId ConnectSccp(std::string_view common_name,
                           std::string_view ip = "203.0.113.6");
  void ReceiveOctets(ConnectionId from, std::string_view octets);
  // Opens the connection that the edge has asked for last, as `dns`.
  ConnectionId AcceptDialled(std::string_view dns);

  // Text with "\n"; CRLF and Content-Length are put in.
  void Receive(ConnectionId from, std::string_view text);
  void ReceiveUdp(std::string_view from, std::string_view text);
  void ReceiveUdpOctets(std::string_view from, std::string_view octets);
  // The response to a request that the edge had sent, by the same way.
  // `headers` are lines "Name: value".
  void Answer(const Sent& request, int code, std::string_view to_tag,
              std::string_view sdp = "", std::string_view contact = "",
              const std::vector<std::string>& headers = {});
  // A request within a dialog that `made` (an INVITE that the edge had sent,
  // or a 200 that it sent) belongs to.
  void RequestFrom(const Sent& invite, std::string_view to_tag,
                   std::string_view method, uint32_t cseq,
                   std::string_view sdp = "",
                   const std::vector<std::string>& headers = {});

  // A request of text again, with the credentials of a user of TestPlan() that
  // the 401 or 407 asks for.
  static std::string WithDigest(std::string text, const Sent& challenge,
                                std::string_view user, std::string_view method,
                                std::string_view uri);

  // Registers alice on `connection`; true if it worked.
  bool Register(ConnectionId connection, std::string_view user);

  // The oldest message not yet taken that went there; fails the test when
  // there is none, unless `maybe`.
  std::optional<Sent> TakeTo(ConnectionId connection);
  std::optional<Sent> TakeToUdp(std::string_view address);
  bool Idle() const { return sent_.empty(); }  // nothing was left untaken
  void Forget() { sent_.clear(); }

  void Advance(absl::Duration d);  // in steps, firing deadlines
  void Close(ConnectionId id, absl::Status why = absl::OkStatus());

  // Media requests are answered at once while this holds.
  bool relay_works = true;
  bool relay_answers = true;
  bool relay_updates = true;  // false: it has lost what it made
  absl::Status relay_error = absl::UnavailableError("no relay");
  std::vector<CreateMediaSession> created;
  std::vector<UpdateMediaSession> updated;
  std::vector<DeleteMediaSession> deleted;
  std::vector<Connect> connects;
  std::vector<ConnectionId> closed;
  std::vector<EdgeEvent> events;
  std::vector<ResolveHost> resolves;
  std::vector<PeerCheckResult> checked;
  std::vector<IssueCredentials> credentials;
  std::vector<std::string> stun;             // answers to keep-alives
  std::map<ConnectionId, std::string> sccp;  // octets to voicemail ports
  std::vector<ClusterMessage> handed_over;

  void Perform(EdgeActions actions);
  void AnswerMedia();  // what waited while relay_answers was false
  // Reasons of all refusals so far, joined by a space.
  std::string Refusals() const;
  const EdgeEvent* Last(EdgeEvent::Type type) const;

 private:
  RelaySession SessionFor(const CreateMediaSession& request);
  // What the relay has for one leg.
  void Fill(const RelayLeg& asked, size_t i, bool make, RelaySession::Leg& leg);

  RegionPlan region_;
  FakeRandom random_;
  std::unique_ptr<EdgeCore> core_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  std::deque<Sent> sent_;
  std::set<ConnectionId> sccp_;
  std::deque<CreateMediaSession> media_waiting_;
  std::deque<UpdateMediaSession> updates_waiting_;
  std::array<int, 2> restarts_ = {};  // of ICE, by leg
};

// The hash of a user of TestPlan(), whose password is "pw".
std::string TestHa1(std::string_view user);

// A description with one audio line of DTLS-SRTP, with ICE if `ufrag` is not
// empty. `letter` fills the fingerprint: 'A' to 'F'.
std::string TestDtlsSdp(std::string_view address, int port, char letter,
                        std::string_view setup, std::string_view ufrag = "");

// A description with one audio line.
std::string TestSdp(std::string_view address, int port, bool srtp,
                    std::string_view more = "");

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_HARNESS_H_
