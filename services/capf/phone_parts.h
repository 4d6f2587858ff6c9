// What phones are told and from where: trust lists, files, TFTP, HTTP, TVS.

#ifndef SALLYPORT_SERVICES_CAPF_PHONE_PARTS_H_
#define SALLYPORT_SERVICES_CAPF_PHONE_PARTS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/phone_file_server.h"
#include "services/capf/io/phone_files.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/capf/io/trust_vouching.h"
#include "services/capf/io/tvs_server.h"
#include "services/capf/io/work_thread.h"
#include "services/common/crypto/secret.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/random_source.h"
#include "services/common/service/service_main.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {

// Made at the start; then its lists and files belong to the work thread, its
// ports to the loop. Thread-compatible.
class PhoneParts {
 public:
  // All must outlive this object; `work` must have stopped before it goes.
  struct Needs {
    const config::v1::CapfConfig& config;
    EventLoop& loop;
    WorkThread& work;
    CertificateAuthority& authority;  // the first one
    Authorities& authorities;
    Ledger& ledger;
    RandomSource& random;
    MetricsRegistry& metrics;
    const Secret& wrapping;  // of private keys
    std::string tenant;      // the default one
    std::string key_folder;
    std::string capf_certificate;  // that our ports show, DER
    int capf_port = 0;
    std::shared_ptr<const TlsContext> tls;  // of TVS
    bool sha512_only = false;               // FIPS mode
  };

  // Lists that are not what they should be are published if no phone would be
  // locked out; else what is out stays, and the log says so.
  static absl::StatusOr<std::unique_ptr<PhoneParts>> Start(
      const Needs& needs, ServiceRuntime& runtime);

  ListSigners& signers() { return *signers_; }
  TrustListPublisher& lists() { return *lists_; }
  const TrustListFiles& files() const { return files_; }
  PhoneFileMaker& maker() { return *maker_; }

  // Our ports show another certificate from now on. On the work thread.
  absl::Status SetTls(std::shared_ptr<const TlsContext> tls,
                      const std::string& certificate_der);

 private:
  PhoneParts() = default;

  absl::Status OpenLists(const Needs& needs);
  absl::Status TakeConfiguration(const Needs& needs);
  absl::Status OpenPorts(const Needs& needs, ServiceRuntime& runtime);

  std::optional<ListSigners> signers_;
  TrustListFiles files_;
  std::optional<TrustListPublisher> lists_;
  std::optional<PhoneFileMaker> maker_;
  std::optional<TrustVouching> vouching_;
  std::unique_ptr<TvsServer> tvs_;
  std::unique_ptr<PhoneFileServer> server_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_PHONE_PARTS_H_
