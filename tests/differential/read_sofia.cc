// What sofia-sip reads (record.h).
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>

#include "tests/differential/record.h"

static void WriteSofiaUri(const char* key, const url_t* uri) {
  if (uri->url_type == url_any) return WriteText(key, "*");
  WriteUri(key, uri->url_scheme, uri->url_user, uri->url_host, uri->url_port);
}

static void Refused(const char* why) { WriteText("refused", why); }

static void Read(const char* text, size_t size) {
  msg_t* msg = msg_make(sip_default_mclass(), 0, text, size);
  sip_t* sip = msg == nullptr ? nullptr : sip_object(msg);
  if (sip == nullptr) {
    Refused("msg_make");
  } else if (sip->sip_request == nullptr && sip->sip_status == nullptr) {
    Refused("no start line");
  } else if (sip->sip_error != nullptr ||
             (sip->sip_flags & MSG_FLG_ERROR) != 0) {
    Refused("a header field is wrong");
  } else if (sip->sip_from == nullptr || sip->sip_to == nullptr ||
             sip->sip_call_id == nullptr || sip->sip_cseq == nullptr ||
             sip->sip_via == nullptr) {
    Refused("a header field is missing");
  } else {
    if (sip->sip_request != nullptr) {
      WriteText("method", sip->sip_request->rq_method_name);
      WriteSofiaUri("uri", sip->sip_request->rq_url);
    } else {
      WriteNumber("status",
                  static_cast<unsigned long>(sip->sip_status->st_status));
    }
    WriteSofiaUri("from", sip->sip_from->a_url);
    WriteText("from_tag", sip->sip_from->a_tag);
    WriteSofiaUri("to", sip->sip_to->a_url);
    WriteText("to_tag", sip->sip_to->a_tag);
    WriteText("call_id", sip->sip_call_id->i_id);
    WriteNumber("cseq", sip->sip_cseq->cs_seq);
    WriteText("cseq_method", sip->sip_cseq->cs_method_name);
    for (sip_via_t* via = sip->sip_via; via != nullptr; via = via->v_next) {
      const char* protocol = strrchr(via->v_protocol, '/');
      WriteUri("via", protocol == nullptr ? via->v_protocol : protocol + 1,
               via->v_branch, via->v_host, via->v_port);
    }
    for (sip_contact_t* m = sip->sip_contact; m != nullptr; m = m->m_next) {
      WriteSofiaUri("contact", m->m_url);
    }
    for (sip_route_t* r = sip->sip_route; r != nullptr; r = r->r_next) {
      WriteSofiaUri("route", r->r_url);
    }
    for (sip_record_route_t* r = sip->sip_record_route; r != nullptr;
         r = r->r_next) {
      WriteSofiaUri("record_route", r->r_url);
    }
    if (sip->sip_content_length != nullptr) {
      WriteNumber("length", sip->sip_content_length->l_length);
    }
    WriteValue("body",
               sip->sip_payload == nullptr ? "" : sip->sip_payload->pl_data,
               sip->sip_payload == nullptr ? 0 : sip->sip_payload->pl_len);
  }
  if (msg != nullptr) msg_destroy(msg);
}

int main() {
  size_t size = 0;
  while (char* text = NextMessage(&size)) {
    Read(text, size);
    EndRecord();
    free(text);
  }
  return 0;
}
