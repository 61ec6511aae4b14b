// A carrier made with npm smpp. It says what happens on standard output and is told what to do on standard input, one
// JSON object a line.
//
// It prints its port and takes one bind. Answers to submits are kept back until the line {"do": "answer"}; from then on
// each is answered with an id, and a receipt follows. {"do": "say", "from", "to", "text"} makes a handset write. All
// events are printed in the order in which they are on the wire.

'use strict';

const readline = require('readline');
const smpp = require('smpp');

const RECEIPT = 0x04;
const DELIVERED = 2;

const [systemId, password] = process.argv.slice(2);
let session = null;
let answering = false;
let serial = 0xbac0;
const held = [];

const tell = (event, particulars) => process.stdout.write(JSON.stringify({ event, ...particulars }) + '\n');

// yyMMddhhmm, as in receipts.
const stamp = () => new Date().toISOString().replace(/\D/g, '').slice(2, 12);

function receipt(submit, id) {
	const text = `id:${id} sub:001 dlvrd:001 submit date:${stamp()} done date:${stamp()} stat:DELIVRD err:000 text:`;
	const sm = {
		esm_class: RECEIPT,
		source_addr_ton: 1,
		source_addr_npi: 1,
		source_addr: submit.destination_addr,
		destination_addr: submit.source_addr,
		short_message: text,
		receipted_message_id: id,
		message_state: DELIVERED,
	};
	session.deliver_sm(sm, (answer) => tell('receipt_taken', { id, status: answer.command_status }));
}

function answer(submit) {
	serial += 1;
	const id = serial.toString(16);
	session.send(submit.response({ message_id: id }));
	tell('answered', { sequence: submit.sequence_number, id });
	if (submit.registered_delivery & 1) receipt(submit, id);
}

function submitted(submit) {
	const { udh, message } = submit.short_message;
	tell('submit', {
		sequence: submit.sequence_number,
		from: submit.source_addr,
		from_ton: submit.source_addr_ton,
		to: submit.destination_addr,
		to_ton: submit.dest_addr_ton,
		esm_class: submit.esm_class,
		data_coding: submit.data_coding,
		registered_delivery: submit.registered_delivery,
		udh: udh ? udh.map((element) => element.toString('hex')) : [],
		text: message,
	});
	if (answering) answer(submit);
	else held.push(submit);
}

function bind(pdu) {
	const { system_id, interface_version } = pdu;
	if (system_id !== systemId || pdu.password !== password) {
		session.send(pdu.response({ command_status: smpp.ESME_RBINDFAIL }));
		tell('refused', { system_id });
		return;
	}
	session.send(pdu.response({ system_id: 'npm-smpp' }));
	tell('bound', { system_id, interface_version });
}

const server = smpp.createServer((link) => {
	session = link;
	link.on('bind_transceiver', bind);
	link.on('submit_sm', submitted);
	link.on('enquire_link', (pdu) => link.send(pdu.response()));
	link.on('unbind', (pdu) => {
		link.send(pdu.response());
		tell('unbind', {});
	});
	link.on('generic_nack', (pdu) => tell('nacked', { sequence: pdu.sequence_number, status: pdu.command_status }));
	link.on('unknown', (pdu) => tell('unknown', { command_id: pdu.command_id }));
	link.on('error', (error) => tell('error', { message: String(error) }));
	link.on('close', () => tell('closed', {}));
});

const orders = {
	answer: () => {
		answering = true;
		held.splice(0).forEach(answer);
	},
	say: ({ from, to, text }) => {
		const sm = { source_addr_ton: 1, source_addr_npi: 1, source_addr: from, destination_addr: to, short_message: text };
		session.deliver_sm(sm, (taken) => tell('reply_taken', { from, text, status: taken.command_status }));
	},
};

readline.createInterface({ input: process.stdin })
	.on('line', (line) => {
		const order = JSON.parse(line);
		orders[order.do](order);
	})
	.on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));
