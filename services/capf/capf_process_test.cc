// The capf binary over real mutual TLS: its API, the trust stream, kill -9.

#include "services/capf/capf_process.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/capf_process_fixture.h"
#include "services/capf/core/test_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/unique_fd.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"

namespace sallyport::capf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Stub = pb::CapfService::Stub;

TEST_F(CapfProcessTest, EnrollmentsFromCreationToDeletion) {
  SP_ASSERT_OK_AND_ASSIGN(pb::Enrollment made, Create(NewEnrollment("SEP1")));
  EXPECT_EQ(made.name(), "tenants/a/enrollments/sep1");
  EXPECT_THAT(made.authentication_string(), SizeIs(8));
  EXPECT_EQ(made.status(), pb::ENROLLMENT_STATUS_OPERATION_PENDING);
  EXPECT_EQ(made.etag(), "1");
  // CCE-49 and 30 days to complete by default.
  EXPECT_TRUE(made.has_operation_completes_by_time());

  pb::GetEnrollmentRequest get;
  get.set_name(made.name());
  SP_ASSERT_OK_AND_ASSIGN(
      pb::Enrollment read,
      Call<pb::Enrollment>(*root_, &Stub::GetEnrollment, get));
  EXPECT_THAT(read.authentication_string(), IsEmpty());  // write-only

  // A string of the operator's own.
  pb::CreateEnrollmentRequest with_string = NewEnrollment("SEP2");
  with_string.mutable_enrollment()->set_authentication_string("31415926");
  SP_ASSERT_OK_AND_ASSIGN(made, Create(with_string));
  EXPECT_EQ(made.authentication_string(), "31415926");

  pb::UpdateEnrollmentRequest update;
  update.mutable_enrollment()->set_name(made.name());
  update.mutable_enrollment()->set_operation(pb::CERTIFICATE_OPERATION_DELETE);
  update.mutable_enrollment()->set_etag("7");
  EXPECT_THAT(Call<pb::Enrollment>(*root_, &Stub::UpdateEnrollment, update),
              HasReason("ETAG_MISMATCH"));
  update.mutable_enrollment()->set_etag(made.etag());
  SP_ASSERT_OK_AND_ASSIGN(
      made, Call<pb::Enrollment>(*root_, &Stub::UpdateEnrollment, update));
  EXPECT_EQ(made.operation(), pb::CERTIFICATE_OPERATION_DELETE);
  EXPECT_THAT(made.authentication_string(), SizeIs(8));  // a new one

  pb::ListEnrollmentsRequest list;
  list.set_parent("tenants/a");
  list.set_page_size(1);
  std::vector<std::string> names;
  do {
    SP_ASSERT_OK_AND_ASSIGN(const pb::ListEnrollmentsResponse page,
                            Call<pb::ListEnrollmentsResponse>(
                                *root_, &Stub::ListEnrollments, list));
    ASSERT_EQ(page.enrollments_size(), 1);
    names.push_back(page.enrollments(0).name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(names, ElementsAre("tenants/a/enrollments/sep1",
                                 "tenants/a/enrollments/sep2"));

  pb::DeleteEnrollmentRequest remove;
  remove.set_name(made.name());
  EXPECT_THAT(
      Call<google::protobuf::Empty>(*root_, &Stub::DeleteEnrollment, remove),
      IsOk());
  EXPECT_THAT(
      Call<google::protobuf::Empty>(*root_, &Stub::DeleteEnrollment, remove),
      HasReason("ENROLLMENT_NOT_FOUND"));
  remove.set_allow_missing(true);
  EXPECT_THAT(
      Call<google::protobuf::Empty>(*root_, &Stub::DeleteEnrollment, remove),
      IsOk());
}

TEST_F(CapfProcessTest, BadRequestsNameTheirFaults) {
  EXPECT_THAT(Create(NewEnrollment("not a device")),
              HasReason("ENROLLMENT_ID_INVALID"));
  pb::CreateEnrollmentRequest request = NewEnrollment("SEP1");
  request.mutable_enrollment()->set_rsa_key_size(512);
  request.mutable_enrollment()->set_ec_key_size(77);
  const auto refused = Create(request);
  EXPECT_THAT(refused, HasReason("ENROLLMENT_INVALID"));
  EXPECT_EQ(FieldViolationsOf(refused.status()).size(), 2u);
  request = NewEnrollment("SEP1");
  request.mutable_enrollment()->set_authentication_mode(
      pb::AUTHENTICATION_MODE_NULL_STRING);
  EXPECT_THAT(Create(request), HasReason("ENROLLMENT_INVALID"));
  request = NewEnrollment("SEP1");
  request.set_parent("tenants/a/enrollments/x");
  EXPECT_THAT(Create(request), HasReason("NAME_INVALID"));
  const auto made =
      Call<pb::CertificateAuthority>(*root_, &Stub::CreateCertificateAuthority,
                                     pb::CreateCertificateAuthorityRequest());
  EXPECT_THAT(made, HasReason("AUTHORITY_ID_INVALID"));
}

// CCE-07: the API, and with it the command line, is mutual TLS and roles.
TEST_F(CapfProcessTest, EachCallerHasItsRights) {
  const auto ann = Stub("operator/ann");
  const auto vic = Stub("operator/vic");
  const auto edge = Stub("signaling_edge");
  const auto create = &Stub::CreateEnrollment;
  EXPECT_THAT(Call<pb::Enrollment>(*ann, create, NewEnrollment("SEP1")),
              IsOk());
  EXPECT_THAT(Call<pb::Enrollment>(*ann, create, NewEnrollment("SEP2", "b")),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Call<pb::Enrollment>(*vic, create, NewEnrollment("SEP3")),
              HasReason("ROLE_TOO_LOW"));
  EXPECT_THAT(Call<pb::Enrollment>(*edge, create, NewEnrollment("SEP4")),
              HasReason("CALLER_NOT_ACCEPTED"));
  pb::GetEnrollmentRequest get;
  get.set_name("tenants/a/enrollments/sep1");
  EXPECT_THAT(Call<pb::Enrollment>(*vic, &Stub::GetEnrollment, get), IsOk());
  pb::ListEnrollmentsRequest all;
  all.set_parent("tenants/-");
  EXPECT_THAT(
      Call<pb::ListEnrollmentsResponse>(*ann, &Stub::ListEnrollments, all),
      StatusIs(absl::StatusCode::kPermissionDenied));
  // A service's identity belongs to no tenant: not even its administrator's.
  pb::IssueCertificateRequest service = NewIssue();
  service.set_profile(pb::CERTIFICATE_PROFILE_SERVICE);
  service.add_subject_alt_names("URI:spiffe://t.test/capf");
  EXPECT_THAT(Call<pb::Certificate>(*ann, &Stub::IssueCertificate, service),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Issue(service), IsOk());
  // Nor is a name that is not of the tenant's domains, wherever it stands.
  const auto ask = [&](const pb::IssueCertificateRequest& request) {
    return Call<pb::Certificate>(*ann, &Stub::IssueCertificate, request);
  };
  EXPECT_THAT(ask(NewIssue()), IsOk());  // edge.example.test
  pb::IssueCertificateRequest foreign = NewIssue();
  foreign.add_subject_alt_names("DNS:gw.other.test");
  EXPECT_THAT(ask(foreign), HasReason("NAME_NOT_OF_TENANT"));
  foreign.set_common_name("edge.example.test");
  EXPECT_THAT(ask(foreign), HasReason("NAME_NOT_OF_TENANT"));
  EXPECT_THAT(Issue(foreign), IsOk());
  foreign = NewIssue();
  foreign.set_common_name("SEP001122334455");
  foreign.set_profile(pb::CERTIFICATE_PROFILE_CLIENT);
  EXPECT_THAT(ask(foreign), HasReason("NAME_NOT_OF_TENANT"));
  grpc::ClientContext context;
  pb::WatchTrustBundleRequest watch;
  watch.set_consumer("x");
  pb::WatchTrustBundleResponse step;
  const auto stream = root_->WatchTrustBundle(&context, watch);
  EXPECT_FALSE(stream->Read(&step));
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("CALLER_NOT_ACCEPTED"));
}

TEST_F(CapfProcessTest, CertificatesFromRequests) {
  const pb::IssueCertificateRequest request = NewIssue("r1");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate first, Issue(request));
  EXPECT_EQ(first.state(), pb::CERTIFICATE_STATE_ACTIVE);
  EXPECT_THAT(first.summary().subject_alt_names(),
              ElementsAre("DNS:edge.example.test"));
  EXPECT_EQ(first.name(), "tenants/a/certificates/" + first.summary().serial());
  EXPECT_EQ(first.requester(), "operator root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate again, Issue(request));
  EXPECT_EQ(first.certificate_pem(), again.certificate_pem());
  EXPECT_THAT(Issue(NewIssue("r1")), HasReason("REQUEST_ID_REUSED"));

  // openssl is of the same opinion.
  const std::string path = folder_ + "/edge.pem";
  std::ofstream(path) << first.certificate_pem();
  EXPECT_EQ(std::system(absl::StrCat("openssl verify -x509_strict -purpose "
                                     "sslserver -CAfile ",
                                     folder_, "/ca.pem ", path)
                            .c_str()),
            0);

  pb::IssueCertificateRequest bad = NewIssue();
  bad.set_profile(pb::CERTIFICATE_PROFILE_LSC);
  EXPECT_THAT(Issue(bad), HasReason("PROFILE_INVALID"));
  bad = NewIssue();
  bad.add_subject_alt_names("DNS:*.example.test");
  EXPECT_THAT(Issue(bad), HasReason("SAN_INVALID"));
  bad = NewIssue();
  bad.mutable_csr()->back() ^= 1;
  EXPECT_THAT(Issue(bad), HasReason("CSR_SIGNATURE"));
  bad = NewIssue();
  bad.set_validate_only(true);
  EXPECT_THAT(Issue(bad), IsOk());

  pb::RevokeCertificateRequest revoke;
  revoke.set_name(first.name());
  revoke.set_reason(pb::REVOCATION_REASON_KEY_COMPROMISE);
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::Certificate revoked,
      Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke));
  EXPECT_EQ(revoked.state(), pb::CERTIFICATE_STATE_REVOKED);
  EXPECT_EQ(revoked.revocation_reason(), pb::REVOCATION_REASON_KEY_COMPROMISE);

  SP_ASSERT_OK_AND_ASSIGN(
      const pb::ListCertificateAuthoritiesResponse authorities,
      Call<pb::ListCertificateAuthoritiesResponse>(
          *root_, &Stub::ListCertificateAuthorities,
          pb::ListCertificateAuthoritiesRequest()));
  ASSERT_EQ(authorities.certificate_authorities_size(), 1);
  EXPECT_EQ(authorities.certificate_authorities(0).name(),
            first.certificate_authority());
}

TEST_F(CapfProcessTest, TrustStores) {
  pb::CreateTrustedCertificateRequest add;
  add.set_parent("tenants/a/trustStores/CallManager-trust");
  std::ifstream file(pki_->ca_file());
  const std::string pem((std::istreambuf_iterator<char>(file)), {});
  add.mutable_trusted_certificate()->set_certificate(pem);
  SP_ASSERT_OK_AND_ASSIGN(const pb::TrustedCertificate added,
                          Call<pb::TrustedCertificate>(
                              *root_, &Stub::CreateTrustedCertificate, add));
  EXPECT_EQ(added.origin(), "import");
  EXPECT_THAT(added.name(), HasSubstr(added.summary().sha256_thumbprint()));
  pb::ListTrustedCertificatesRequest list;
  list.set_parent(add.parent());
  SP_ASSERT_OK_AND_ASSIGN(const pb::ListTrustedCertificatesResponse listed,
                          Call<pb::ListTrustedCertificatesResponse>(
                              *root_, &Stub::ListTrustedCertificates, list));
  EXPECT_EQ(listed.trusted_certificates_size(), 1);
  pb::GetTrustStoreRequest get;
  get.set_name(add.parent());
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::TrustStore store,
      Call<pb::TrustStore>(*root_, &Stub::GetTrustStore, get));
  EXPECT_EQ(store.certificate_count(), 1u);
  EXPECT_THAT(store.used_by(), ElementsAre("signaling_edge"));
  add.set_parent("tenants/a/trustStores/no-such-trust");
  EXPECT_THAT(Call<pb::TrustedCertificate>(
                  *root_, &Stub::CreateTrustedCertificate, add),
              HasReason("TRUST_STORE_NOT_FOUND"));
  pb::DeleteTrustedCertificateRequest remove;
  remove.set_name(added.name());
  EXPECT_THAT(Call<google::protobuf::Empty>(
                  *root_, &Stub::DeleteTrustedCertificate, remove),
              IsOk());
}

TEST_F(CapfProcessTest, AWatcherHasAName) {
  const auto edge = Stub("signaling_edge");
  for (const std::string& name : {std::string(), std::string(129, 'x')}) {
    grpc::ClientContext context;
    pb::WatchTrustBundleRequest watch;
    watch.set_consumer(name);
    pb::WatchTrustBundleResponse step;
    const auto stream = edge->WatchTrustBundle(&context, watch);
    EXPECT_FALSE(stream->Read(&step));
    EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("CONSUMER_INVALID"));
  }
}

// issue 6: revocation reaches the edges within 5 s; here within one.
TEST_F(CapfProcessTest, TheTrustStreamPushesAtOnce) {
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued, Issue(NewIssue()));
  const auto edge = Stub("signaling_edge");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  pb::WatchTrustBundleRequest watch;
  watch.set_consumer("edge-0");
  const auto stream = edge->WatchTrustBundle(&context, watch);
  pb::WatchTrustBundleResponse step;
  ASSERT_TRUE(stream->Read(&step));
  EXPECT_TRUE(step.full());
  EXPECT_THAT(step.revoked(), IsEmpty());
  std::set<std::string> stores;
  for (const auto& store : step.stores()) {
    stores.insert(store.name());
    EXPECT_EQ(store.certificates_size(), 1);
  }
  EXPECT_EQ(stores, (std::set<std::string>{
                        "tenants/a/trustStores/CAPF-trust",
                        "tenants/a/trustStores/CallManager-trust",
                        "tenants/default/trustStores/CAPF-trust",
                        "tenants/default/trustStores/CallManager-trust"}));
  const int64_t before = step.version();

  // A beat says that the stream lives.
  ASSERT_TRUE(stream->Read(&step));
  EXPECT_FALSE(step.full());
  EXPECT_EQ(step.version(), before);
  EXPECT_THAT(step.stores(), IsEmpty());

  pb::RevokeCertificateRequest revoke;
  revoke.set_name(issued.name());
  const absl::Time start = absl::Now();
  ASSERT_THAT(Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke),
              IsOk());
  do {
    ASSERT_TRUE(stream->Read(&step));
  } while (step.revoked_size() == 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
  EXPECT_EQ(step.version(), before + 1);
  EXPECT_FALSE(step.full());
  const auto info = ParseCertificate(
      AsBytes(CertificatesFromPem(issued.certificate_pem()).value()[0]));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(HexEncode(AsBytes(step.revoked(0).serial())).find(info->serial_hex),
            step.revoked(0).serial().size() * 2 - info->serial_hex.size());

  pb::ReportTrustVersionRequest report;
  report.set_consumer("edge-0");
  report.set_active_version(step.version());
  SP_ASSERT_OK_AND_ASSIGN(const pb::ReportTrustVersionResponse reported,
                          Call<pb::ReportTrustVersionResponse>(
                              *edge, &Stub::ReportTrustVersion, report));
  EXPECT_EQ(reported.configured_version(), step.version());
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::CapfStatus status,
      Call<pb::CapfStatus>(*root_, &Stub::GetStatus, pb::GetStatusRequest()));
  ASSERT_EQ(status.consumers_size(), 1);
  EXPECT_TRUE(status.consumers(0).connected());
  EXPECT_EQ(status.consumers(0).active_version(), step.version());
  EXPECT_EQ(status.consumers(0).identity(), "spiffe://t.test/signaling_edge");
  EXPECT_TRUE(status.can_issue());
  EXPECT_EQ(status.revoked_count(), 1u);

  // Who comes later, or again, gets the whole.
  grpc::ClientContext second;
  second.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  watch.set_known_version(step.version());
  const auto resumed = edge->WatchTrustBundle(&second, watch);
  pb::WatchTrustBundleResponse whole;
  ASSERT_TRUE(resumed->Read(&whole));
  EXPECT_TRUE(whole.full());
  EXPECT_EQ(whole.version(), step.version());
  EXPECT_EQ(whole.revoked_size(), 1);

  // SIGTERM ends the streams in words.
  std::thread terminate([&] { EXPECT_EQ(process_->Terminate(), 0); });
  while (stream->Read(&step)) {
  }
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("DRAINING"));
  while (resumed->Read(&whole)) {
  }
  terminate.join();
}

// pki.md 12, goal 5, from outside: whatever was answered is there after kill
// -9, a repeat gets the same, and the audit names exactly what exists.
TEST_F(CapfProcessTest, EventsComeAsTheyHappenAndNoneTwice) {
  const auto watch = [&](int64_t after, grpc::ClientContext& context,
                         const std::string& tenant) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    pb::WatchCertificateEventsRequest request;
    request.set_parent("tenants/" + tenant);
    request.set_after_sequence(after);
    return root_->WatchCertificateEvents(&context, request);
  };
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));
  grpc::ClientContext context;
  const auto stream = watch(0, context, "a");
  stream->WaitForInitialMetadata();
  grpc::ClientContext other_context;
  const auto other = watch(0, other_context, "b");
  other->WaitForInitialMetadata();
  std::vector<std::string> issued;
  for (int i = 0; i < 150; ++i) {  // more than waits for a slow consumer
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate one, Issue(NewIssue()));
    issued.push_back(one.summary().serial());
  }
  pb::WatchCertificateEventsResponse response;
  std::vector<std::string> told;
  int64_t last = 0;
  while (told.size() < issued.size() && stream->Read(&response)) {
    EXPECT_EQ(response.event().type(), pb::CERTIFICATE_EVENT_TYPE_ISSUED);
    EXPECT_GT(response.event().sequence(), last);
    last = response.event().sequence();
    told.push_back(response.event().certificate().serial());
  }
  EXPECT_EQ(told, issued);
  context.TryCancel();
  // Another tenant hears nothing of it, and its stream ends with the service.
  EXPECT_EQ(process_->Terminate(), 0);
  EXPECT_FALSE(other->Read(&response));
  EXPECT_EQ(other->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  // Who comes back with what it had misses none and gets none again.
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate next, Issue(NewIssue()));
  grpc::ClientContext again;
  const auto resumed = watch(last, again, "a");
  ASSERT_TRUE(resumed->Read(&response));
  EXPECT_EQ(response.event().certificate().serial(), next.summary().serial());
  again.TryCancel();
}

// However many phones come, whoever runs it gets in, and it goes on issuing.
TEST_F(CapfProcessTest, PhonesLeaveDescriptorsForOperators) {
  ASSERT_EQ(process_->Terminate(), 0);
  process_->WriteConfig(
      absl::StrReplaceAll(config_,
                          {{"\"ephemeral_port\":true",
                            "\"ephemeral_port\":true,"
                            "\"connections_per_second_per_source\":100000"}}) +
      "}");
  process_->RunUnder({"prlimit", "--nofile=340"});
  process_->Start();
  process_->WaitForLog("fewer phones can be connected");
  std::vector<UniqueFd> phones;
  for (int i = 0; i < 400; ++i) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % 8);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)),
              0);
    sockaddr_in to = own;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(process_->port("capf")));
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)),
              0);
    phones.push_back(std::move(fd));
  }
  root_ = CapfProcessTest::Stub("operator/root");
  EXPECT_THAT(Issue(NewIssue("while phones knock")), IsOk());
  int kept = 0;
  for (int i = 0; i < 100 && kept != 84; ++i) {
    kept = 0;
    for (const UniqueFd& phone : phones) {
      char octet;
      const ssize_t n = recv(phone.get(), &octet, 1, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) ++kept;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(kept, 84);
  EXPECT_EQ(process_->Terminate(), 0);
}

TEST_F(CapfProcessTest, KilledAgainAndAgainNothingIsLostOrDoubled) {
  std::map<std::string, pb::IssueCertificateRequest> asked;
  std::map<std::string, std::string> answered;  // request id to PEM
  for (int round = 0; round < 8; ++round) {
    std::atomic<bool> stop = false;
    std::thread killer([&] {
      absl::SleepFor(absl::Milliseconds(20 + 17 * round));
      process_->Kill();
      stop = true;
    });
    for (int i = 0; !stop; ++i) {
      const std::string id = absl::StrCat("r", round, "-", i);
      const pb::IssueCertificateRequest request = NewIssue(id);
      asked[id] = request;
      const auto issued = Issue(request);
      if (issued.ok()) answered[id] = issued->certificate_pem();
    }
    killer.join();
    process_->Start();
    root_ = Stub("operator/root");
  }
  EXPECT_THAT(answered, testing::Not(IsEmpty()));
  for (const auto& [id, request] : asked) {
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued, Issue(request));
    if (answered.contains(id)) {
      EXPECT_EQ(issued.certificate_pem(), answered[id]) << id;
    }
  }
  pb::ListCertificatesRequest list;
  list.set_parent("tenants/a");
  list.set_page_size(1000);
  SP_ASSERT_OK_AND_ASSIGN(const pb::ListCertificatesResponse listed,
                          Call<pb::ListCertificatesResponse>(
                              *root_, &Stub::ListCertificates, list));
  EXPECT_EQ(static_cast<size_t>(listed.certificates_size()), asked.size());
  std::set<std::string> names;
  for (const pb::Certificate& one : listed.certificates()) {
    names.insert(one.name());
  }
  std::set<std::string> audited;
  std::ifstream audit(folder_ + "/audit.jsonl");
  std::string line;
  while (std::getline(audit, line)) {
    if (line.find("\"event\":\"ISSUED\"") == std::string::npos) continue;
    const size_t at = line.find("tenants/a/certificates/");
    if (at == std::string::npos) continue;
    EXPECT_TRUE(
        audited.insert(line.substr(at, line.find('"', at) - at)).second);
  }
  EXPECT_EQ(names, audited);
}

// What `command` prints, with its exit status 0 expected.
std::string Output(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  char buffer[4096];
  size_t size = 0;
  while ((size = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    out.append(buffer, size);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

// CUC-06, CCE-32: the list is published and fetched by a client that we did
// not write, by TFTP and by HTTP, and is the one that the API shows.
TEST_F(CapfProcessTest, PhonesFetchTheirListsAndFiles) {
  using Stub = pb::CapfService::Stub;
  EXPECT_THAT(Call<pb::TrustList>(*root_, &Stub::PublishTrustList,
                                  [] {
                                    pb::PublishTrustListRequest request;
                                    request.set_parent("tenants/default");
                                    request.set_kind(pb::TRUST_LIST_KIND_CTL);
                                    return request;
                                  }()),
              HasReason("TRUST_LISTS_NOT_CONFIGURED"));

  const std::string node = folder_ + "/edge.pem";
  pb::IssueCertificateRequest issue = NewIssue();
  issue.set_csr(NewTestCsr(NewTestKey(KeyKind::kRsa).get(),
                           {.alt_names = {"DNS:edge.example.test"}}));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate edge, Issue(issue));
  std::ofstream(node) << edge.certificate_pem();
  ASSERT_EQ(process_->Terminate(), 0);
  process_->WriteConfig(absl::StrCat(
      config_, R"(,"tftp_address":"127.0.0.1:0",)",
      R"("phone_http_address":"127.0.0.1:0","trust_lists":{)",
      R"("host":"capf.example.test","mixed_mode":true,"call_managers":[)",
      R"({"dns_name":"edge.example.test","ip_address":"192.0.2.9",)",
      R"("certificate_file":")", node, R"("}]}})"));
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");

  pb::GetTrustListRequest get;
  get.set_name("tenants/default/trustLists/CTLFile.tlv");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::TrustList list,
      Call<pb::TrustList>(*root_, &Stub::GetTrustList, get));
  EXPECT_EQ(list.cluster_mode(), "mixed");
  EXPECT_EQ(list.records_size(), 5);
  pb::VerifyTrustListRequest verify;
  verify.set_content(list.content());
  verify.set_other_content(list.content());
  SP_ASSERT_OK_AND_ASSIGN(const pb::VerifyTrustListResponse verified,
                          Call<pb::VerifyTrustListResponse>(
                              *root_, &Stub::VerifyTrustList, verify));
  EXPECT_TRUE(verified.valid()) << verified.explanation();
  EXPECT_EQ(verified.differences_size(), 0);

  const std::string tftp =
      absl::StrCat("tftp://127.0.0.1:", process_->port("tftp"), "/");
  const std::string http =
      absl::StrCat("http://127.0.0.1:", process_->port("phone_http"), "/");
  EXPECT_EQ(Output("curl -sS " + tftp + "CTLFile.tlv"), list.content());
  EXPECT_EQ(Output("curl -sS --tftp-blksize 1024 " + tftp + "CTLFile.tlv"),
            list.content());
  EXPECT_EQ(Output("curl -sS " + http + "CTLSEP001122334455.tlv"),
            list.content());
  // 68 is curl's word for TFTP's error 1, the "res=68" of CUC-72.
  EXPECT_EQ(Output("curl -s " + tftp + "missing.tlv; test $? -eq 68"), "");
  EXPECT_THAT(Output("curl -s -w '%{http_code}' " + http + "x"),
              HasSubstr("404"));

  pb::CreateEnrollmentRequest enrollment =
      NewEnrollment("SEP001122334455", "default");
  ASSERT_THAT(Create(enrollment).status(), IsOk());
  EXPECT_THAT(Output("curl -sS " + tftp + "SEP001122334455.cnf.xml"),
              HasSubstr("<processNodeName>edge.example.test<"));
  EXPECT_THAT(Output("curl -sS " + http + "SEP001122334455.cnf.xml.sgn"),
              HasSubstr("<capfAuthMode>1</capfAuthMode>"));
  pb::GetPhoneFileRequest file;
  file.set_name("tenants/a/phoneFiles/SEP001122334455.cnf.xml");
  EXPECT_THAT(Call<pb::PhoneFile>(*root_, &Stub::GetPhoneFile, file),
              HasReason("PHONE_FILE_NOT_FOUND"))
      << "it is another tenant's";

  // Who asks too often is told so; the others are served meanwhile.
  // Many at a time: one after the other, on a slow machine, is not too often.
  const std::string flood = Output(
      "curl -sS -Z --parallel-max 50 --interface 127.0.0.2 -o /dev/null"
      " -w '%{http_code} ' '" +
      http + "CTLFile.tlv?[1-900]'");
  EXPECT_THAT(flood, HasSubstr("200 200"));
  EXPECT_THAT(flood, HasSubstr("429"));
  EXPECT_EQ(Output("curl -sS " + http + "CTLFile.tlv"), list.content());
  EXPECT_THAT(process_->HttpGet("/metrics"),
              HasSubstr("sallyport_capf_phone_http_requests_total{result="
                        "\"limited\"}"));

  // The phone took the list by its name: it counts from now on.
  EXPECT_EQ(Output("curl -sS " + tftp + "CTLSEP001122334455.tlv"),
            list.content());
  pb::SimulateTrustListRequest simulate;
  simulate.set_parent("tenants/default");
  simulate.set_content(list.content());
  // It is noted once its last acknowledgement has come in.
  pb::SimulateTrustListResponse simulation;
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (simulation.phones_evaluated() == 0 && absl::Now() < end) {
    SP_ASSERT_OK_AND_ASSIGN(simulation,
                            Call<pb::SimulateTrustListResponse>(
                                *root_, &Stub::SimulateTrustList, simulate));
  }
  EXPECT_EQ(simulation.phones_evaluated(), 1u);
  EXPECT_EQ(simulation.locked_out_count(), 0u) << simulation.ShortDebugString();
}

}  // namespace
}  // namespace sallyport::capf
