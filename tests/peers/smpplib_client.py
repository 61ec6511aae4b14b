"""An ESME made with smpplib. It is told what to do on standard input and says what happens on standard output.

One JSON object a line, both ways. First the job, `{"port", "system_id", "password", "submits": [{"from", "to", "text",
"coding"}], "replies"}`: it binds, asks whether the link is alive, sends every text in smpplib's own parts, and waits for
a receipt of each part, then for so many replies of handsets. Where there are any it answers the last of them on the
line `{"text"}`. With the last receipt it unbinds.
"""

import json
import sys

from smpplib import client as smpp_client
from smpplib import consts, exceptions, gsm, smpp

# A gateway that says nothing for so long has failed.
SILENCE_S = 20
# esm_class of a receipt (SMPP 3.4 section 5.2.12); the name it has in smpplib is that of another type.
RECEIPT = 0x04


def say(event, **particulars):
    print(json.dumps({"event": event, **particulars}), flush=True)


def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit("standard input ended")
    return json.loads(line)


def decoded(data_coding, octets):
    if data_coding == consts.SMPP_ENCODING_ISO10646:
        return octets.decode("utf-16-be")
    return "".join(gsm.GSM_CHARACTER_TABLE[octet] for octet in octets)


class Esme:
    def __init__(self, job):
        self.client = smpp_client.Client(
            "127.0.0.1", job["port"], timeout=SILENCE_S, allow_unknown_opt_params=True
        )
        self.client.set_message_sent_handler(self.accepted)
        self.client.set_message_received_handler(self.delivered)
        self.places = {}
        self.waiting = set()
        self.early = set()
        self.parts = {}
        self.replies = []

    def submit(self, place, sender, handset, text, coding):
        """Sends a text in smpplib's own parts."""
        parts, coding, esm_class = gsm.make_parts(text, coding)
        for part in parts:
            pdu = self.client.send_message(
                source_addr_ton=consts.SMPP_TON_NWSPEC,
                source_addr_npi=consts.SMPP_NPI_UNK,
                source_addr=sender,
                dest_addr_ton=consts.SMPP_TON_INTL,
                dest_addr_npi=consts.SMPP_NPI_ISDN,
                destination_addr=handset,
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )
            self.places[pdu.sequence] = place
        say("submitted", message=place, parts=len(parts), coding=coding)

    def accepted(self, pdu):
        message_id = pdu.message_id.decode()
        if message_id in self.early:
            self.early.remove(message_id)
        else:
            self.waiting.add(message_id)
        say("accepted", message=self.places.pop(pdu.sequence), id=message_id)

    def delivered(self, pdu):
        """Takes a deliver_sm; smpplib answers it when this returns."""
        sender, code = pdu.source_addr.decode(), pdu.destination_addr.decode()
        if pdu.esm_class & RECEIPT:
            message_id = pdu.receipted_message_id.decode()
            if message_id in self.waiting:
                self.waiting.remove(message_id)
            else:
                self.early.add(message_id)
            text = pdu.short_message.decode("latin-1")
            say("receipt", id=message_id, state=pdu.message_state, text=text, sender=sender, code=code)
            return
        octets = pdu.short_message
        if not pdu.esm_class & consts.SMPP_GSMFEAT_UDHI:
            self.wrote(sender, code, decoded(pdu.data_coding, octets), 1)
            return
        header, octets = octets[: octets[0] + 1], octets[octets[0] + 1 :]
        if header[:3] != b"\x05\x00\x03":
            sys.exit(f"a header that is not of a long message: {header.hex()}")
        reference, total, number = header[3:6]
        parts = self.parts.setdefault((sender, reference), {})
        parts[number] = octets
        if len(parts) == total:
            whole = b"".join(parts[number] for number in sorted(parts))
            self.wrote(sender, code, decoded(pdu.data_coding, whole), total)

    def wrote(self, sender, code, text, parts):
        self.replies.append((sender, code))
        say("reply", sender=sender, code=code, text=text, parts=parts)

    def until(self, done):
        while not done():
            self.client.read_once(auto_send_enquire_link=False)

    def all_receipted(self):
        return not self.places and not self.waiting and not self.early

    def run(self, job):
        self.client.connect()
        try:
            bound = self.client.bind_transceiver(system_id=job["system_id"], password=job["password"])
        except exceptions.PDUError as error:
            self.client.disconnect()
            say("refused", status=error.args[1])
            return
        say("bound", system_id=bound.system_id.decode())

        self.client.send_pdu(smpp.make_pdu("enquire_link", client=self.client))
        say("alive", command=self.client.read_pdu().command)

        for place, sm in enumerate(job["submits"]):
            self.submit(place, sm["from"], sm["to"], sm["text"], sm["coding"])
            self.until(lambda: not self.places)
        self.until(self.all_receipted)
        say("receipted")

        for _ in range(job["replies"]):
            count = len(self.replies)
            self.until(lambda: len(self.replies) > count)
        if self.replies:
            order = hear()
            handset, code = self.replies[-1]
            self.submit("answer", code, handset, order["text"], consts.SMPP_ENCODING_DEFAULT)
            self.until(self.all_receipted)

        answer = self.client.unbind()
        say("unbound", command=answer.command, status=answer.status)
        self.client.disconnect()


if __name__ == "__main__":
    first = hear()
    Esme(first).run(first)
