"""The Chalice application: registers what is deployed, nothing else."""

from chalice.app import Chalice

from chalicelib.admin.routes import register_panel
from chalicelib.api.routes import register_routes
from chalicelib.workers import dead_letters, deliver, fan_out, mail_events, sweep, tick

app = Chalice(app_name="vestnik")
register_routes(app)
register_panel(app)
app.register_blueprint(fan_out.blueprint)
app.register_blueprint(deliver.blueprint)
app.register_blueprint(tick.blueprint)
app.register_blueprint(sweep.blueprint)
app.register_blueprint(dead_letters.blueprint)
app.register_blueprint(mail_events.blueprint)
