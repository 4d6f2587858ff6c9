// The RPCs about procedures, between proto and io.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_PROCEDURE_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_PROCEDURE_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "sallyport/capf/v1/procedure.pb.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/procedure_runner.h"

namespace sallyport::capf {

namespace pb = ::sallyport::capf::v1;

// Who asks, as access has found out.
struct ProcedureCaller {
  std::string actor;
  // An administrator of all tenants: FIPS mode is the whole installation's.
  bool of_all_tenants = false;
};

// Access to the tenant is checked by then. On the work thread only.
class ProcedureMethods {
 public:
  // All must outlive this object.
  ProcedureMethods(Ledger& ledger, ProcedureRunner& runner)
      : ledger_(ledger), runner_(runner) {}

  absl::Status Create(const pb::CreateProcedureRequest& request,
                      const ProcedureCaller& caller, pb::Procedure& response);
  absl::Status Get(const pb::GetProcedureRequest& request,
                   pb::Procedure& response);
  absl::Status List(const pb::ListProceduresRequest& request,
                    pb::ListProceduresResponse& response);
  absl::Status Advance(const pb::AdvanceProcedureRequest& request,
                       const ProcedureCaller& caller, pb::Procedure& response);
  // Only whether it goes on by itself.
  absl::Status Update(const pb::UpdateProcedureRequest& request,
                      const ProcedureCaller& caller, pb::Procedure& response);
  absl::Status Cancel(const pb::CancelProcedureRequest& request,
                      const ProcedureCaller& caller, pb::Procedure& response);

 private:
  void GoOn(pb::Procedure& response);

  Ledger& ledger_;
  ProcedureRunner& runner_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_PROCEDURE_METHODS_H_
