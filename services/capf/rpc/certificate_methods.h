// The RPCs about certificates and the authority, between proto and io.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_CERTIFICATE_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_CERTIFICATE_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/certificate_authority.pb.h"
#include "services/capf/core/tenant_names.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/authority_admin.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/est_upstreams.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/io/upstream_issuer.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Life of a certificate by profile when the request names none; zero is the
// profile's own.
struct Lifetimes {
  absl::Duration server;
  absl::Duration client;
  absl::Duration service;
  absl::Duration revocation_list = absl::Hours(24);
};

// Access is checked by then. `actor` is who asks, for the audit record. On the
// work thread only.
class CertificateMethods {
 public:
  // All but the strings must outlive this object.
  struct Parts {
    Ledger& ledger;
    Authorities& authorities;
    AuthorityAdmin& authority_admin;
    EnrollmentAdmin& enrollments;
    TrustAdmin& trust;
    EstUpstreams* upstreams = nullptr;    // null: nobody is asked
    UpstreamIssuer* passes_on = nullptr;  // null: requests stay here
  };
  // Issue() of this request waits for another's answer.
  static bool IsForUpstream(const pb::IssueCertificateRequest& request);

  // Whether the request asks for a name that is not its tenant's, and so for
  // the right to name anybody. A request that cannot be read does not; Issue()
  // refuses it. Thread-safe.
  bool NeedsAllTenants(const pb::IssueCertificateRequest& request) const;

  CertificateMethods(const Parts& parts, std::string authority_id,
                     const Lifetimes& lifetimes, const TenantNames& names)
      : ledger_(parts.ledger),
        authorities_(parts.authorities),
        authority_admin_(parts.authority_admin),
        authority_(parts.authorities.Default()),
        enrollments_(parts.enrollments),
        trust_(parts.trust),
        upstreams_(parts.upstreams),
        passes_on_(parts.passes_on),
        authority_name_("certificateAuthorities/" + authority_id),
        lifetimes_(lifetimes),
        names_(names) {}

  absl::Status Issue(const pb::IssueCertificateRequest& request,
                     const std::string& actor, pb::Certificate& response);
  absl::Status Get(const pb::GetCertificateRequest& request,
                   pb::Certificate& response);
  absl::Status List(const pb::ListCertificatesRequest& request,
                    pb::ListCertificatesResponse& response);
  absl::Status Revoke(const pb::RevokeCertificateRequest& request,
                      const std::string& actor, pb::Certificate& response);

  absl::Status CreateAuthority(
      const pb::CreateCertificateAuthorityRequest& request,
      const std::string& actor, pb::CertificateAuthority& response);
  absl::Status GetAuthority(const pb::GetCertificateAuthorityRequest& request,
                            pb::CertificateAuthority& response);
  // Imports a certificate that was made elsewhere, or disables it.
  absl::Status UpdateAuthority(
      const pb::UpdateCertificateAuthorityRequest& request,
      const std::string& actor, pb::CertificateAuthority& response);
  absl::Status DeleteAuthority(
      const pb::DeleteCertificateAuthorityRequest& request,
      const std::string& actor);
  absl::Status ListAuthorities(
      const pb::ListCertificateAuthoritiesRequest& request,
      pb::ListCertificateAuthoritiesResponse& response);
  absl::Status GetRevocationList(const pb::GetRevocationListRequest& request,
                                 pb::RevocationList& response);
  // "certificateAuthorities/{id}".
  const std::string& authority_name() const { return authority_name_; }

 private:
  absl::Status PassOn(const pb::IssueCertificateRequest& request,
                      const std::string& tenant, ProfileId profile,
                      const std::string& actor, pb::Certificate& response);
  // The certificates above it, without the root, PEM.
  absl::StatusOr<std::string> IssuersOf(const CertificateRecord& record) const;
  // By whom a certificate is, as its resource says.
  std::string AuthorityOf(const CertificateRecord& record) const;
  absl::StatusOr<pb::CertificateAuthority> Describe(
      CertificateAuthority& authority);
  // Of a name; NOT_FOUND, reason AUTHORITY_NOT_FOUND.
  absl::StatusOr<CertificateAuthority*> Named(const std::string& name) const;
  // By which one the tenant's certificate is: `named`, if that may be.
  absl::StatusOr<CertificateAuthority*> For(const std::string& tenant,
                                            const std::string& named);

  absl::Time Now() const { return ledger_.clock().Now(); }

  Ledger& ledger_;
  Authorities& authorities_;
  AuthorityAdmin& authority_admin_;
  CertificateAuthority& authority_;  // the default one
  EnrollmentAdmin& enrollments_;
  TrustAdmin& trust_;
  EstUpstreams* const upstreams_;
  UpstreamIssuer* const passes_on_;
  const std::string authority_name_;
  const Lifetimes lifetimes_;
  const TenantNames names_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_CERTIFICATE_METHODS_H_
